// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Responses as HTTP and gRPC messages (contract 1.5, 1.6, 1.7, 1.16).
#include <cmath>
#include <limits>

#include "wire/golden.h"
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

class EncodeTest : public WireTest {
 protected:
  // The 'data' array of a response of one output.
  template <typename T>
  std::string data_of(DataType type, const std::vector<T>& values) {
    renew();
    add_values(0, type, Shape{static_cast<std::int64_t>(values.size())}, values);
    EXPECT_OK(http_->encode(request_->response, reply_));
    const std::string text = text_of(reply_);
    const std::size_t from = text.find("\"data\":") + 7;
    return text.substr(from, text.size() - 3 - from);
  }

  void want(std::uint32_t output, bool binary, std::uint32_t class_count = 0) {
    RequestedOutput* requested = request_->add_output(plan_.outputs[output].name);
    requested->binary = binary;
    requested->class_count = class_count;
  }

  void answer_golden(bool binary) {
    plan_.name = "golden";
    plan_.version = 7;
    plan_.outputs = {tensor_spec("SCORES", DataType::kFp32, Shape{-1, -1}),
                     tensor_spec("TEXTS", DataType::kBytes, Shape{-1})};
    renew();
    request_->id = "golden-1";
    want(0, binary);
    want(1, false);
    Parameter& cached = request_->response.parameters.append();
    cached.name = "cached";
    cached.value = true;
    add_values<float>(0, DataType::kFp32, Shape{2, 2}, {0.5F, 1.0F, -2.25F, 300.0F});
    add_response(1, DataType::kBytes, Shape{2}, element("ok") + element("say \"hi\""));
  }

  void expect_http_golden(const std::string& file) {
    const std::string golden = read_golden(file);
    std::uint32_t json_bytes = 0;
    std::memcpy(&json_bytes, golden.data(), sizeof(json_bytes));
    EXPECT_OK(http_->encode(request_->response, reply_));
    EXPECT_EQ(text_of(reply_), golden.substr(sizeof(json_bytes)));
    EXPECT_EQ(reply_.total_bytes, golden.size() - sizeof(json_bytes));
    EXPECT_EQ(reply_.json_bytes, json_bytes);
  }
};

TEST_F(EncodeTest, GoldenResponses) {
  answer_golden(false);
  expect_http_golden("golden_response.http_json.bin");
  EXPECT_FALSE(reply_.has_binary);
  answer_golden(true);
  expect_http_golden("golden_response.http_binary.bin");
  EXPECT_TRUE(reply_.has_binary);
  EXPECT_EQ(reply_.segments.back().data(), request_->response.outputs[0].view.data);  // no copy
  EXPECT_OK(grpc_->encode(request_->response, reply_));
  EXPECT_EQ(text_of(reply_), read_golden("golden_response.grpc.bin"));
  EXPECT_EQ(reply_.total_bytes, text_of(reply_).size());
}

TEST_F(EncodeTest, FloatsAreTheShortestThatReadBack) {
  EXPECT_EQ(
      data_of<float>(DataType::kFp32, {0.1F, 1, -0.0F, 16777216, 1e20F, 1e-10F, 3.4028235e38F}),
      "[0.1,1.0,-0.0,16777216.0,1e+20,1e-10,3.4028235e+38]");
  EXPECT_EQ(data_of<double>(DataType::kFp64, {0.1, 100, 5e-324, 1.7976931348623157e308}),
            "[0.1,100.0,5e-324,1.7976931348623157e+308]");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(data_of<float>(DataType::kFp32, {nan, INFINITY, -INFINITY}),
            "[NaN,Infinity,-Infinity]");
}

TEST_F(EncodeTest, IntegersAndBooleans) {
  EXPECT_EQ(data_of<std::int64_t>(DataType::kInt64, {INT64_MIN, INT64_MAX}),
            "[-9223372036854775808,9223372036854775807]");
  EXPECT_EQ(data_of<std::uint64_t>(DataType::kUint64, {UINT64_MAX}), "[18446744073709551615]");
  EXPECT_EQ(data_of<std::int8_t>(DataType::kInt8, {-128, 0, 127}), "[-128,0,127]");
  EXPECT_EQ(data_of<std::uint8_t>(DataType::kUint8, {0, 255}), "[0,255]");
  EXPECT_EQ(data_of<std::int16_t>(DataType::kInt16, {-32768}), "[-32768]");
  EXPECT_EQ(data_of<std::uint16_t>(DataType::kUint16, {65535}), "[65535]");
  EXPECT_EQ(data_of<std::int32_t>(DataType::kInt32, {INT32_MIN}), "[-2147483648]");
  EXPECT_EQ(data_of<std::uint32_t>(DataType::kUint32, {UINT32_MAX}), "[4294967295]");
  EXPECT_EQ(data_of<std::uint8_t>(DataType::kBool, {0, 1, 7}), "[false,true,true]");
  EXPECT_EQ(data_of<float>(DataType::kFp32, {}), "[]");
}

TEST_F(EncodeTest, ManyNumbers) {
  std::vector<std::int32_t> values(5000);
  std::string expected = "[";
  for (int i = 0; i < 5000; ++i) {
    values[static_cast<std::size_t>(i)] = -i;
    expected += (i > 0 ? "," : "") + std::to_string(-i);
  }
  EXPECT_EQ(data_of(DataType::kInt32, values), expected + "]");
}

TEST_F(EncodeTest, StringsNeverBreakTheSyntax) {  // X-69
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  add_response(0, DataType::kBytes, Shape{1}, element(all));
  EXPECT_OK(http_->encode(request_->response, reply_));
  const std::string text = text_of(reply_);
  EXPECT_NE(text.find("\\u0000\\u0001"), std::string::npos);
  EXPECT_NE(text.find("\\b\\t\\n\\u000B\\f\\r\\u000E"), std::string::npos);
  EXPECT_NE(text.find(" !\\\"#"), std::string::npos);
  EXPECT_NE(text.find("[\\\\]"), std::string::npos);
  EXPECT_NE(text.find("\x7F\x80\x81"), std::string::npos);  // as they are
}

TEST_F(EncodeTest, IdAndParametersOnlyWhenThereAreSome) {
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_EQ(text_of(reply_), R"({"model_name":"m","model_version":"3","outputs":[]})");
  request_->id = "a\nb";
  const auto put = [this](const char* name, auto value) {
    Parameter& parameter = request_->response.parameters.append();
    parameter.name = name;
    parameter.value = value;
  };
  put("i", std::int64_t{-1});
  put("u", UINT64_MAX);
  put("d", 2.0);
  put("s", std::string("\"x"));
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_EQ(text_of(reply_),
            R"({"id":"a\nb","model_name":"m","model_version":"3","parameters":{"i":-1,)"
            R"("u":18446744073709551615,"d":2.0,"s":"\"x"},"outputs":[]})");
}

TEST_F(EncodeTest, BinaryIsPerOutputOrByDefault) {  // B-2, H-46
  request_->binary_data_output = true;
  add_values<float>(1, DataType::kFp32, Shape{1}, {1});
  add_values<float>(0, DataType::kFp32, Shape{1}, {2});
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_EQ(
      text_of(reply_).substr(0, reply_.json_bytes),
      R"({"model_name":"m","model_version":"3","outputs":[)"
      R"({"name":"OUT1","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}},)"
      R"({"name":"OUT","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]})");
  ASSERT_EQ(reply_.segments.size(), 3u);
  EXPECT_EQ(reply_.segments[1].data(), request_->response.outputs[0].view.data);
  EXPECT_EQ(reply_.segments[2].data(), request_->response.outputs[1].view.data);
  want(0, false);  // listed: its own word counts
  want(1, true);
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_NE(text_of(reply_).find(R"("data":[2.0])"), std::string::npos);
}

TEST_F(EncodeTest, EmptyBinaryOutputsNeedNoHeader) {  // X-11
  request_->binary_data_output = true;
  add_values<float>(0, DataType::kFp32, Shape{0}, {});
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_FALSE(reply_.has_binary);
  EXPECT_EQ(reply_.segments.size(), 1u);
  EXPECT_NE(text_of(reply_).find(R"({"binary_data_size":0})"), std::string::npos);
  EXPECT_OK(grpc_->encode(request_->response, reply_));
  EXPECT_TRUE(text_of(reply_).ends_with(std::string("\x32\0", 2)));  // an empty raw entry
}

TEST_F(EncodeTest, HalfPrecisionIsBinaryOnly) {  // X-8
  add_values<std::uint16_t>(0, DataType::kFp16, Shape{1}, {0});
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInvalidArg,
                "sending FP16 data via JSON is not supported. Please use the binary data format "
                "for output");
  request_->response.outputs[0].view.type = DataType::kBf16;
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInvalidArg,
                "sending BF16 data via JSON is not supported. Please use the binary data format "
                "for output");
  request_->binary_data_output = true;
  EXPECT_OK(http_->encode(request_->response, reply_));
}

TEST_F(EncodeTest, BrokenOutputs) {  // 12.5
  const char* text = "output tensor shape does not match size of output for 'OUT'";
  add_values<float>(0, DataType::kFp32, Shape{3}, {1, 2});
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInternal, text);
  for (const std::string& bytes : {element("a"), element("a") + element("b") + element("c"),
                                   element("a") + "\x05", std::string("\xff\xff\xff\xff", 4)}) {
    renew();
    add_response(0, DataType::kBytes, Shape{2}, bytes);
    EXPECT_STATUS(http_->encode(request_->response, reply_), kInternal, text);
  }
  renew();
  add_values<float>(0, DataType::kInvalid, Shape{1}, {1});
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInternal,
                "Invalid data type for output tensor");
  renew();
  add_values<float>(5, DataType::kFp32, Shape{1}, {1});
  EXPECT_EQ(http_->encode(request_->response, reply_).code(), Code::kInternal);
  renew();
  add_values<float>(0, DataType::kFp32, Shape{1}, {1}).view.memory = MemoryKind::kGpu;
  EXPECT_EQ(grpc_->encode(request_->response, reply_).code(), Code::kInternal);
}

TEST_F(EncodeTest, GrpcSizeLimit) {  // G-24
  OutputTensor& output = add_values<float>(0, DataType::kFp32, Shape{1}, {1});
  output.view.size_bytes = std::size_t{1} << 31;  // never read: the answer is refused
  const Status status = grpc_->encode(request_->response, reply_);
  EXPECT_EQ(status.code(), Code::kInvalidArg);
  EXPECT_TRUE(status.message().starts_with("Response has byte size 21474"));
  EXPECT_TRUE(status.message().ends_with(" which exceeds gRPC's byte size limit 2147483647."));
}

TEST_F(EncodeTest, WarmEncodesReuseTheReply) {
  request_->binary_data_output = true;
  add_values<float>(0, DataType::kFp32, Shape{2}, {1, 2});
  EXPECT_OK(http_->encode(request_->response, reply_));
  const auto* head = reply_.head.data();
  const auto* segments = reply_.segments.data();
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_EQ(reply_.head.data(), head);
  EXPECT_EQ(reply_.segments.data(), segments);
}

}  // namespace
}  // namespace penstock::testing
