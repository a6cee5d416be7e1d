// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Messages of calls of models by models (contract 5.1): against the codec that reads and writes the
// other half, and against messages made by hand.
#include "penstock/call_message.h"

#include "wire/proto_text.h"
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

TensorView view_of(DataType type, const Shape& shape, std::string_view data) {
  TensorView view;
  view.type = type;
  view.shape = shape;
  view.data = reinterpret_cast<const std::byte*>(data.data());
  view.size_bytes = data.size();
  return view;
}

std::string output_head(std::string_view name, std::string_view type,
                        std::initializer_list<std::int64_t> dims) {
  return input_field(name, type, dims);  // the same field, and alike
}
std::string raw_output(std::string_view data) { return text_value(6, data); }

class CallMessageTest : public WireTest {
 protected:
  // What is written.
  std::string written(const CallRequest& call) {
    std::vector<std::byte> message;
    EXPECT_OK(write_call(call, message));
    return {reinterpret_cast<const char*>(message.data()), message.size()};
  }

  Status read(std::string_view message) {
    owner_ = exact_lease(message);  // a byte too far is seen
    return read_answer(span_of(owner_), answer_);
  }

  // What is wrong with an answer.
  std::string fault(std::string_view message) {
    const Status status = read(message);
    EXPECT_EQ(status.code(), Code::kInvalidArg);
    constexpr std::string_view kPrefix = "malformed ModelInferResponse: ";
    EXPECT_TRUE(status.message().starts_with(kPrefix)) << status.message();
    return status.message().substr(std::min(kPrefix.size(), status.message().size()));
  }

  CallResponse answer_;
};

TEST_F(CallMessageTest, ACallSaysWhatItHas) {
  const std::string data(8, 'x');
  CallRequest call;
  call.model = "m";
  call.version = 3;
  call.id = "an id";
  call.parameters = {{"b", true},
                     {"i", std::int64_t{-5}},
                     {"s", std::string("text")},
                     {"d", 0.5},
                     {"u", std::uint64_t{UINT64_MAX}}};
  call.inputs = {{"IN", view_of(DataType::kFp32, Shape{2}, data)}};
  call.outputs = {"OUT1", "OUT"};
  EXPECT_EQ(written(call),
            text_value(1, "m") + text_value(2, "3") + text_value(3, "an id") +
                parameter(4, "b", bool_param(true)) + parameter(4, "i", int64_param(-5)) +
                parameter(4, "s", string_param("text")) + parameter(4, "d", double_param(0.5)) +
                parameter(4, "u", uint64_param(UINT64_MAX)) + input_field("IN", "FP32", {2}) +
                output_field("OUT1") + output_field("OUT") + raw_field(data));
}

TEST_F(CallMessageTest, TheCodecReadsACall) {
  const std::string data = "abcdefgh";
  CallRequest call;
  call.model = "m";
  call.id = "an id";
  call.parameters = {{"word", std::string("w")}, {"timeout", std::int64_t{7}}};
  call.inputs = {{"IN", view_of(DataType::kFp32, Shape{2}, data)}};
  call.outputs = {"OUT1"};
  ASSERT_TRUE(grpc(written(call)).ok());
  EXPECT_EQ(request_->id, "an id");
  EXPECT_EQ(request_->timeout_us, 7u);
  ASSERT_EQ(request_->inputs.size(), 1u);
  EXPECT_EQ(input().view.shape, Shape{2});
  EXPECT_EQ(string_of(input().view), data);
  ASSERT_EQ(request_->outputs.size(), 1u);
  EXPECT_EQ(request_->outputs[0].spec, 1u);
  ASSERT_EQ(request_->parameters.size(), 1u);
  EXPECT_EQ(std::get<std::string>(request_->parameters[0].value), "w");
}

TEST_F(CallMessageTest, NothingThatIsNotThereIsSaid) {
  CallRequest call;
  call.model = "m";
  EXPECT_EQ(written(call), text_value(1, "m"));
}

TEST_F(CallMessageTest, EmptyTensorsAndRanksOfAllSizes) {
  const std::string strings = element("s");
  CallRequest call;
  call.model = "m";
  call.inputs = {{"scalar", view_of(DataType::kBf16, Shape{}, "ab")},
                 {"none", view_of(DataType::kInt64, Shape{2, 0}, {})},
                 {"strings", view_of(DataType::kBytes, Shape{1}, strings)},
                 {"long", view_of(DataType::kBool,
                                  Shape{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "\1")}};
  const std::string scalar = text_value(1, "scalar") + text_value(2, "BF16");
  EXPECT_EQ(written(call),
            text_value(1, "m") + text_value(5, scalar) + input_field("none", "INT64", {2, 0}) +
                input_field("strings", "BYTES", {1}) +
                input_field("long", "BOOL", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}) +
                raw_field("ab") + raw_field("") + raw_field(strings) + raw_field("\1"));
}

TEST_F(CallMessageTest, ACallThatIsTooLong) {
  TensorView view = view_of(DataType::kUint8, Shape{INT64_C(1) << 31}, "x");
  view.size_bytes = std::size_t{1} << 31;  // never read: the call is refused
  CallRequest call;
  call.model = "m";
  call.inputs = {{"IN", view}};
  std::vector<std::byte> message;
  const Status status = write_call(call, message);
  EXPECT_EQ(status.code(), Code::kInvalidArg);
  EXPECT_TRUE(status.message().ends_with("a message has at most 2147483647")) << status.message();
}

TEST_F(CallMessageTest, WhatTheCodecAnswersIsRead) {
  add_values<float>(0, DataType::kFp32, Shape{1, 2}, {1.5F, -2.0F});
  add_response(1, DataType::kBytes, Shape{2}, element("a") + element(""));
  for (const Parameter& parameter :
       {Parameter{"b", true}, Parameter{"i", std::int64_t{-5}}, Parameter{"u", UINT64_MAX},
        Parameter{"d", 0.5}, Parameter{"s", std::string("text")}}) {
    request_->response.parameters.append() = parameter;
  }
  EXPECT_OK(grpc_->encode(request_->response, reply_));
  EXPECT_OK(read(text_of(reply_)));
  ASSERT_EQ(answer_.outputs.size(), 2u);
  EXPECT_EQ(answer_.outputs[0].name, "OUT");
  EXPECT_EQ(answer_.outputs[0].view.type, DataType::kFp32);
  EXPECT_EQ(answer_.outputs[0].view.shape, (Shape{1, 2}));
  EXPECT_EQ(values_of<float>(answer_.outputs[0].view), (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(answer_.outputs[1].view.type, DataType::kBytes);
  EXPECT_EQ(string_of(answer_.outputs[1].view), element("a") + element(""));
  ASSERT_EQ(answer_.parameters.size(), 5u);
  EXPECT_EQ(std::get<bool>(answer_.parameters[0].value), true);
  EXPECT_EQ(std::get<std::int64_t>(answer_.parameters[1].value), -5);
  EXPECT_EQ(std::get<std::uint64_t>(answer_.parameters[2].value), UINT64_MAX);
  EXPECT_EQ(std::get<double>(answer_.parameters[3].value), 0.5);
  EXPECT_EQ(answer_.parameters[4].name, "s");
  EXPECT_EQ(std::get<std::string>(answer_.parameters[4].value), "text");
}

TEST_F(CallMessageTest, AnAnswerOfAnotherWriter) {  // in another order, with more than is needed
  EXPECT_OK(read(raw_output("ab") + raw_output("") + varint_value(99, 1) +
                 output_head("half", "BF16", {1}) + text_value(4, text_value(1, "no value")) +
                 output_head("none", "FP64", {0, 3})));
  ASSERT_EQ(answer_.outputs.size(), 2u);
  EXPECT_EQ(string_of(answer_.outputs[0].view), "ab");
  EXPECT_EQ(answer_.outputs[1].view.shape, (Shape{0, 3}));
  EXPECT_TRUE(answer_.parameters.empty());
  EXPECT_OK(read(""));  // nothing is left of what was read before
  EXPECT_TRUE(answer_.outputs.empty());
}

TEST_F(CallMessageTest, AnswersThatAreNone) {
  EXPECT_EQ(fault(output_head("O", "FP32", {1})), "outputs without data, or data without outputs");
  EXPECT_EQ(fault(raw_output("abcd")), "outputs without data, or data without outputs");
  EXPECT_EQ(fault(output_head("O", "FP99", {1}) + raw_output("abcd")),
            "output 'O' has no data type");
  EXPECT_EQ(fault(output_head("O", "UINT8", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}) +
                  raw_output("a")),
            "output 'O' has more than 16 dimensions");
  const char* misfit = "output 'O' has data that do not fit its shape";
  EXPECT_EQ(fault(output_head("O", "FP32", {2}) + raw_output("abcd")), misfit);
  EXPECT_EQ(fault(output_head("O", "FP32", {-1}) + raw_output("abcd")), misfit);
  EXPECT_EQ(fault(output_head("O", "BYTES", {-1}) + raw_output(element("a"))), misfit);
  EXPECT_EQ(fault(output_head("O", "FP32", {INT64_MAX, INT64_MAX}) + raw_output("")), misfit);
  EXPECT_EQ(fault(output_head("\xff", "FP32", {1}) + raw_output("abcd")),
            "the head of an output is not readable");
  EXPECT_EQ(fault(parameter(4, "p", string_param("\xff"))), "a parameter is not valid UTF-8");
  EXPECT_FALSE(fault("\x0b").empty());                          // a group
  EXPECT_FALSE(fault(std::string("\x32\xff\xff", 3)).empty());  // a length that never ends
}

TEST_F(CallMessageTest, CutAnywhere) {
  const std::string whole = text_value(1, "m") + parameter(4, "p", string_param("text")) +
                            output_head("O", "FP32", {1, 2}) + output_head("S", "BYTES", {1}) +
                            raw_output("abcdefgh") + raw_output(element("s"));
  EXPECT_OK(read(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Status status = read(whole.substr(0, size));
    EXPECT_TRUE(status.ok() || status.code() == Code::kInvalidArg) << size;
  }
}

}  // namespace
}  // namespace penstock::testing
