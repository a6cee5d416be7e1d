// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelInferRequest messages: contract 1.8, 1.16, G-21, G-22.
#include "wire/proto_text.h"
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

class GrpcDecodeTest : public WireTest {
 protected:
  Status with_parameter(std::string_view name, std::string_view value) {
    return grpc(parameter(4, name, value));
  }
  Status with_contents(std::string_view type, std::initializer_list<std::int64_t> dims,
                       std::string_view fields) {
    return grpc(input_field("IN", type, dims, contents(fields)));
  }
  std::string packed(std::uint32_t field, std::initializer_list<std::int64_t> values) {
    std::string out;
    protozero::pbf_writer(out).add_packed_int64(field, values.begin(), values.end());
    return out;
  }
};

TEST_F(GrpcDecodeTest, RawContentsAreViewsInOrder) {
  EXPECT_OK(grpc(raw_field("abcd") + input_field("IN", "FP32", {1}) +
                 input_field("X", "UINT8", {2}) + raw_field("ef")));
  EXPECT_EQ(string_of(input(0).view), "abcd");
  EXPECT_EQ(string_of(input(1).view), "ef");
  EXPECT_EQ(input(0).lease.get(), owner_.get());
  EXPECT_EQ(input(1).unknown_name, "X");
  EXPECT_EQ(input(1).view.shape, (Shape{2}));
}

TEST_F(GrpcDecodeTest, TypedContents) {
  EXPECT_OK(with_contents("INT8", {2}, packed(2, {-128, 127})));
  EXPECT_EQ(values_of<std::int8_t>(input().view), (std::vector<std::int8_t>{-128, 127}));
  EXPECT_OK(with_contents("BOOL", {3}, packed(1, {0, 1, 300})));  // protobuf: not zero is true
  EXPECT_EQ(string_of(input().view), std::string("\0\1\1", 3));
  EXPECT_OK(with_contents("UINT16", {1}, packed(4, {65535})));
  EXPECT_EQ(values_of<std::uint16_t>(input().view), std::vector<std::uint16_t>{65535});
  EXPECT_OK(with_contents("BYTES", {2}, text_value(8, "ab") + text_value(8, "")));
  EXPECT_EQ(string_of(input().view), element("ab") + element(""));
  EXPECT_OK(with_contents("FP32", {0}, ""));  // `contents` is there and empty
  EXPECT_EQ(input().view.size_bytes, 0u);
}

TEST_F(GrpcDecodeTest, TypedContentsPackedOrNotAndInPieces) {
  std::string floats;
  protozero::pbf_writer writer(floats);
  writer.add_float(6, 1.5F);
  const std::initializer_list<float> rest{2.5F, 3.5F};
  writer.add_packed_float(6, rest.begin(), rest.end());
  std::string more;
  protozero::pbf_writer(more).add_float(6, 4.5F);
  EXPECT_OK(grpc(input_field("IN", "FP32", {4}, contents(floats) + contents(more))));
  EXPECT_EQ(values_of<float>(input().view), (std::vector<float>{1.5F, 2.5F, 3.5F, 4.5F}));

  EXPECT_OK(with_contents("INT64", {3}, varint_value(3, 1) + packed(3, {2, -3})));
  EXPECT_EQ(values_of<std::int64_t>(input().view), (std::vector<std::int64_t>{1, 2, -3}));
  std::string doubles;
  protozero::pbf_writer(doubles).add_double(7, -0.5);
  EXPECT_OK(with_contents("FP64", {1}, doubles));
  EXPECT_EQ(values_of<double>(input().view), std::vector<double>{-0.5});
}

TEST_F(GrpcDecodeTest, ShapesPackedOrNot) {
  EXPECT_OK(grpc(text_value(5, text_value(1, "IN") + text_value(2, "FP32") + varint_value(3, 1) +
                                   varint_value(3, 2)) +
                 raw_field("12345678")));
  EXPECT_EQ(input().view.shape, (Shape{1, 2}));
}

TEST_F(GrpcDecodeTest, LastOfSingleFieldsWinsAndUnknownOnesAreSkipped) {
  EXPECT_OK(grpc(text_value(3, "first") + varint_value(99, 7) + text_value(98, "x") +
                 varint_value(3, 5) + text_value(3, "second")));
  EXPECT_EQ(request_->id, "second");
  EXPECT_OK(grpc(parameter(4, "k", int64_param(1)) + parameter(4, "k", string_param("two"))));
  ASSERT_EQ(request_->parameters.size(), 1u);
  EXPECT_EQ(std::get<std::string>(request_->parameters[0].value), "two");
}

TEST_F(GrpcDecodeTest, Parameters) {  // 1.8
  EXPECT_OK(grpc(parameter(4, "sequence_id", int64_param(42)) +
                 parameter(4, "sequence_start", bool_param(true)) +
                 parameter(4, "sequence_end", bool_param(true)) +
                 parameter(4, "priority", uint64_param(3)) +
                 parameter(4, "timeout", int64_param(900)) +
                 parameter(4, "triton_enable_empty_final_response", bool_param(true)) +
                 parameter(4, "d", double_param(0.25)) + parameter(4, "b", bool_param(false))));
  EXPECT_EQ(request_->correlation_id, 42u);
  EXPECT_EQ(request_->flags, kSequenceStart | kSequenceEnd);
  EXPECT_EQ(request_->priority, 3u);
  EXPECT_EQ(request_->timeout_us, 900u);
  ASSERT_EQ(request_->parameters.size(), 2u);
  EXPECT_EQ(std::get<double>(request_->parameters[0].value), 0.25);
  EXPECT_EQ(std::get<bool>(request_->parameters[1].value), false);
  EXPECT_OK(with_parameter("sequence_id", string_param("s")));
  EXPECT_EQ(request_->correlation_id_string, "s");
}

TEST_F(GrpcDecodeTest, Deadline) {
  EXPECT_OK(with_parameter("deadline_ms", int64_param(250)));
  EXPECT_EQ(request_->deadline_ms, 250u);
  ASSERT_EQ(request_->parameters.size(), 1u);
  EXPECT_EQ(std::get<std::int64_t>(request_->parameters[0].value), 250);
  EXPECT_OK(with_parameter("deadline_ms", uint64_param(UINT64_MAX - 1)));
  EXPECT_EQ(request_->deadline_ms, UINT64_MAX - 1);
  EXPECT_EQ(std::get<std::int64_t>(request_->parameters[0].value), INT64_MAX);
  EXPECT_STATUS(with_parameter("deadline_ms", int64_param(-1)), kInvalidArg,
                "invalid value for 'deadline_ms', expected value >= 0.");
  EXPECT_STATUS(
      with_parameter("deadline_ms", string_param("1")), kInvalidArg,
      "invalid value type for 'deadline_ms' parameter, expected int64_param or uint64_param.");
}

TEST_F(GrpcDecodeTest, ForwardedHeadersGiveWayToParameters) {  // 1.15
  for (const char* name : {"x-a", "x-b"}) {
    Parameter& header = request_->parameters.append();
    header.name = name;
    header.value = std::string("header");
  }
  const BufferLease message = exact_lease(parameter(4, "x-a", int64_param(1)));
  EXPECT_OK(grpc_->decode(span_of(message), message, *request_));
  ASSERT_EQ(request_->parameters.size(), 2u);
  EXPECT_EQ(std::get<std::int64_t>(request_->parameters[0].value), 1);
  EXPECT_EQ(std::get<std::string>(request_->parameters[1].value), "header");
}

TEST_F(GrpcDecodeTest, IllTypedParameters) {  // 1.8
  EXPECT_STATUS(with_parameter("priority", int64_param(-1)), kInvalidArg,
                "invalid value for 'priority', expected value >= 0.");
  EXPECT_STATUS(
      with_parameter("priority", string_param("1")), kInvalidArg,
      "invalid value type for 'priority' parameter, expected int64_param or uint64_param.");
  EXPECT_STATUS(with_parameter("timeout", uint64_param(1)), kInvalidArg,
                "invalid value type for 'timeout' parameter, expected int64_param.");
  EXPECT_STATUS(with_parameter("timeout", int64_param(-1)), kInvalidArg,
                "invalid value for 'timeout', expected value >= 0.");
  EXPECT_STATUS(
      with_parameter("sequence_id", bool_param(true)), kInvalidArg,
      "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.");
  EXPECT_STATUS(with_parameter("sequence_start", int64_param(1)), kInvalidArg,
                "invalid value type for 'sequence_start' parameter, expected bool_param.");
  EXPECT_STATUS(with_parameter("sequence_end", ""), kInvalidArg,
                "invalid value type for 'sequence_end' parameter, expected bool_param.");
  EXPECT_STATUS(with_parameter("triton_enable_empty_final_response", int64_param(1)), kInvalidArg,
                "invalid value type for 'triton_enable_empty_final_response' parameter, expected "
                "bool_param.");
  EXPECT_STATUS(
      with_parameter("triton_x", bool_param(true)), kInvalidArg,
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following "
      "keys starting with 'triton_' are allowed: triton_enable_empty_final_response");
  for (const std::string& value : {uint64_param(1), std::string()}) {
    EXPECT_STATUS(with_parameter("k", value), kInvalidArg,
                  "invalid value type for 'k' parameter, expected int64_param, bool_param, or "
                  "string_param.");
  }
  EXPECT_STATUS(with_parameter("sequence_id", string_param(std::string(129, 's'))), kUnsupported,
                "string correlation ID cannot be longer than 128 characters");
}

TEST_F(GrpcDecodeTest, SourcesOfData) {  // G-21
  EXPECT_STATUS(
      grpc(input_field("IN", "FP32", {1}, contents("")) + raw_field("abcd")), kInvalidArg,
      "contents field must not be specified when using raw_input_contents for 'IN' for model 'm'");
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {1})), kInvalidArg,
                "unable to find data for input tensor 'IN' for model 'm' in request.");
  EXPECT_STATUS(grpc(raw_field("abcd")), kInvalidArg,
                "unexpected additional input data for model 'm'");
  EXPECT_STATUS(with_contents("FP32", {1}, packed(3, {1})), kInvalidArg,
                "unexpected explicit tensor data for input tensor 'IN' for model 'm' of type "
                "'INT64', expected datatype 'FP32'");
  EXPECT_STATUS(with_contents("FP16", {1}, text_value(8, "xx")), kInvalidArg,
                "unexpected explicit tensor data for input tensor 'IN' for model 'm' of type "
                "'BYTES', expected datatype 'FP16'");
  EXPECT_STATUS(with_contents("INT64", {1}, packed(3, {1}) + packed(2, {1})), kInvalidArg,
                "unexpected explicit tensor data for input tensor 'IN' for model 'm' of type "
                "'INT32', expected datatype 'INT64'");
  EXPECT_STATUS(with_contents("INT32", {1}, packed(3, {1}) + packed(2, {1})), kInvalidArg,
                "unexpected explicit tensor data for input tensor 'IN' for model 'm', binary data "
                "was already supplied.");
  EXPECT_STATUS(with_contents("INT8", {1}, packed(2, {128})), kInvalidArg,
                "value 128 of input tensor 'IN' for model 'm' is out of range for datatype "
                "'INT8'");
}

TEST_F(GrpcDecodeTest, SharedMemoryAndClassification) {
  const std::string region = parameter(4, "shared_memory_region", string_param("r"));
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {1}, region)), kNotFound,
                "Unable to find shared memory region: 'r'");
  EXPECT_STATUS(
      grpc(input_field("IN", "FP32", {1}, parameter(4, "shared_memory_region", int64_param(1)))),
      kInvalidArg,
      "invalid value type for 'shared_memory_region' parameter for tensor 'IN', expected "
      "string_param.");
  const std::string out_region = parameter(2, "shared_memory_region", string_param("r"));
  const std::string classes = parameter(2, "classification", int64_param(2));
  EXPECT_STATUS(grpc(output_field("OUT", out_region)), kNotFound,
                "Unable to find shared memory region: 'r'");
  EXPECT_STATUS(grpc(output_field("OUT", classes + out_region)), kInvalidArg,
                "output can't set both 'shared_memory_region' and 'classification'");
  EXPECT_OK(grpc(output_field("OUT", classes)));
  EXPECT_EQ(request_->outputs[0].class_count, 2u);
  EXPECT_STATUS(grpc(output_field("OUT", parameter(2, "classification", string_param("2")))),
                kInvalidArg,
                "invalid value type for 'classification' parameter, expected int64_param");
  EXPECT_STATUS(grpc(output_field("OUT", parameter(2, "classification", int64_param(0)))),
                kInvalidArg, "invalid value for 'classification' parameter, expected >= 0");
}

TEST_F(GrpcDecodeTest, NamesTypesAndShapes) {
  const std::string twice = input_field("IN", "FP32", {0}) + input_field("IN", "FP32", {0});
  EXPECT_STATUS(grpc(text_value(3, "9") + twice + raw_field("") + raw_field("")), kInvalidArg,
                "[request id: 9] input 'IN' already exists in request");
  EXPECT_STATUS(grpc(output_field("OUT") + output_field("OUT")), kInvalidArg,
                "[request id: <id_unknown>] output 'OUT' already exists in request");
  EXPECT_STATUS(grpc(input_field("IN", "FLOAT", {1}) + raw_field("abcd")), kInvalidArg,
                "invalid datatype for input IN");
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {-1}) + raw_field("abcd")), kInvalidArg,
                "invalid shape for input 'IN': shape [-1] contains one or more invalid dimensions");
  EXPECT_STATUS(
      grpc(input_field("IN", "FP32", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}) +
           raw_field("abcd")),
      kInvalidArg, "invalid shape for input 'IN': it has 17 dimensions, at most 16 are supported");
}

TEST_F(GrpcDecodeTest, Limits) {
  grpc_.emplace(pool_, CodecLimits{.max_tensors = 1, .max_parameters = 1});
  EXPECT_STATUS(grpc(output_field("a") + output_field("b")), kInvalidArg,
                "request has 2 outputs, at most 1 are allowed");
  EXPECT_STATUS(grpc(raw_field("a") + raw_field("b")), kInvalidArg,
                "request has 2 raw_input_contents, at most 1 are allowed");
  EXPECT_STATUS(grpc(parameter(4, "a", bool_param(true)) + parameter(4, "b", bool_param(true))),
                kInvalidArg, "request has 2 parameters, at most 1 are allowed");
}

TEST_F(GrpcDecodeTest, MalformedMessages) {
  const std::vector<std::string> bad{
      "\x1a\x05"
      "ab",                                                // a length past the end
      "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",      // and a length lie
      std::string(1, '\0'),                                // field number 0
      "\x1b",                                              // a group
      "\x1f",                                              // no such wire type
      "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",  // a varint too long
      text_value(3, "\xFF\xFE"),                           // not UTF-8
      parameter(4, "\xC0\x80", bool_param(true)),
      input_field("IN", "INT64", {1}, contents(text_value(3, "\x80"))),
      input_field("IN", "FP32", {1}, contents(text_value(6, "abc"))),
      input_field("IN\xFF", "FP32", {1}),
      text_value(5, text_value(3, "\x80"))};
  for (const std::string& message : bad) {
    const Status status = grpc(message);
    ASSERT_FALSE(status.ok()) << ::testing::PrintToString(message);
    EXPECT_EQ(status.code(), Code::kInvalidArg);
    EXPECT_TRUE(status.message().starts_with("malformed ModelInferRequest: ")) << status.message();
  }
  GrpcCodec::Target target;
  owner_ = exact_lease(bad[0]);
  EXPECT_EQ(grpc_->peek(span_of(owner_), target).code(), Code::kInvalidArg);
}

TEST_F(GrpcDecodeTest, DecoupledModels) {  // G-22
  plan_.decoupled = true;
  EXPECT_STATUS(grpc(""), kUnsupported,
                "ModelInfer RPC doesn't support models with decoupled transaction policy");
}

}  // namespace
}  // namespace penstock::testing
