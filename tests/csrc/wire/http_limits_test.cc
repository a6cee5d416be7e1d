// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Malformed JSON, limits (H-25, H-26) and raw binary requests (B-3).
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

constexpr std::string_view kRaise = " Use --http-max-input-size to increase the limit.";

class HttpLimitsTest : public WireTest {
 protected:
  void limit(CodecLimits limits) { http_.emplace(pool_, limits); }

  std::string nested(int depth) {  // the request itself is one level
    return R"({"inputs":[],"x":)" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  }

  std::string list(std::string_view member, std::string_view item, int count) {
    std::string json = "{\"inputs\":[]";
    if (member == "inputs") json = "{\"parameters\":{}";
    json.append(",\"").append(member).append("\":[");
    for (int i = 0; i < count; ++i) json.append(i > 0 ? "," : "").append(item);
    return json + "]}";
  }
};

TEST_F(HttpLimitsTest, MalformedJson) {
  const std::vector<std::string> bad{"",
                                     " ",
                                     "{",
                                     "nonsense",
                                     "{\"inputs\":[}",
                                     "{\"inputs\":[],}",
                                     "{\"inputs\":[]} x",
                                     "{'inputs':[]}",
                                     "{\"inputs\":[01]}",
                                     "{\"inputs\":[\"\x01\"]}",
                                     "{\"inputs\":[\"\\ud800\"]}",
                                     "{\"inputs\":[\"\xC0\x80\"]}",
                                     "{\"inputs\":[\"\xFF\"]}",
                                     "{\"inputs\":[1e400]}",
                                     "{\"inputs\":[18446744073709551616]}",
                                     std::string("{\"inputs\":[]}\0", 14)};
  for (const std::string& body : bad) {
    const Status status = http(body);
    ASSERT_FALSE(status.ok()) << body;
    EXPECT_EQ(status.code(), Code::kInvalidArg) << body;
    EXPECT_TRUE(status.message().starts_with("failed to parse the request JSON buffer: "))
        << status.message();
  }
  EXPECT_STATUS(http("\xEF\xBB\xBF{\"inputs\":[]}"), kInvalidArg,
                "failed to parse the request JSON buffer: it begins with a byte order mark");
}

TEST_F(HttpLimitsTest, NamesThatNoModelHasAreBounded) {
  const std::string name(2000, 'n');
  const Status input =
      http(R"({"inputs":[{"name":")" + name + R"(","datatype":"FP32","shape":[1],"data":[1]}]})");
  EXPECT_EQ(input.code(), Code::kInvalidArg);
  EXPECT_EQ(input.message(),
            "unexpected inference input '" + name.substr(0, 64) + "...', a name of 2000 bytes");
  const Status output = http(R"({"inputs":[],"outputs":[{"name":")" + name + R"("}]})");
  EXPECT_EQ(output.message(),
            "unexpected inference output '" + name.substr(0, 64) + "...', a name of 2000 bytes");
}

TEST_F(HttpLimitsTest, ParameterKeysAreBounded) {
  const std::string key(1025, 'k');
  const Status status = http(R"({"parameters":{")" + key + R"(":1},"inputs":[]})");
  EXPECT_EQ(status.code(), Code::kInvalidArg);
  EXPECT_EQ(status.message(), "parameter '" + key.substr(0, 64) +
                                  "...' has a key of 1025 bytes, more than the maximum 1024");
}

TEST_F(HttpLimitsTest, NestingDepth) {  // H-26
  EXPECT_OK(http(nested(100)));
  EXPECT_STATUS(http(nested(101)), kInvalidArg,
                "JSON nesting depth exceeds maximum allowed limit (100)");
  EXPECT_STATUS(http(std::string(1'000'000, '[')), kInvalidArg,
                "JSON nesting depth exceeds maximum allowed limit (100)");
  EXPECT_OK(http(nested(100)));  // a deep one before leaves nothing behind
  EXPECT_STATUS(http("{\"x\":\"" + std::string(200, '[') + "\""), kInvalidArg,  // in a string
                "failed to parse the request JSON buffer: The JSON document has an improper "
                "structure: missing or superfluous commas, braces, missing keys, etc.");
  std::string data(97, '[');  // under request, inputs, input: 100 levels
  data += "1" + std::string(97, ']');
  EXPECT_OK(
      http(R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[1],"data":)" + data + "}]}"));
  data = std::string(97, '[') + "NaN" + std::string(97, ']');
  EXPECT_OK(
      http(R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[1],"data":)" + data + "}]}"));
}

TEST_F(HttpLimitsTest, JsonSize) {  // H-25
  limit({.max_input_bytes = 100});
  const std::string body = "{\"inputs\":[],\"x\":\"" + std::string(100, 'x') + "\"}";
  EXPECT_STATUS(http(body), kInvalidArg,
                "request JSON size of " + std::to_string(body.size()) +
                    " bytes exceeds the maximum allowed input size of 100 bytes." +
                    std::string(kRaise));
}

TEST_F(HttpLimitsTest, JsonTensorSize) {  // H-25
  limit({.max_input_bytes = 100});
  EXPECT_STATUS(
      http(R"({"inputs":[{"name":"IN","datatype":"FP64","shape":[13],"data":[1]}]})"), kInvalidArg,
      "JSON input 'IN' has a byte_size (104 bytes) that exceeds the maximum allowed value of 100 "
      "bytes." +
          std::string(kRaise));
}

TEST_F(HttpLimitsTest, BinaryTensorsAreNotLimited) {  // X-12
  limit({.max_input_bytes = 120});
  const std::string json = R"({"inputs":[{"name":"IN","datatype":"UINT8","shape":[500],)"
                           R"("parameters":{"binary_data_size":500}}]})";
  EXPECT_OK(http_binary(json, std::string(500, 'x')));
}

TEST_F(HttpLimitsTest, NumberOfTensorsAndParameters) {
  limit({.max_tensors = 2, .max_parameters = 2});
  EXPECT_STATUS(http(list("outputs", R"({"name":"OUT"})", 3)), kInvalidArg,
                "[request id: <id_unknown>] output 'OUT' already exists in request");
  EXPECT_STATUS(http(R"({"inputs":[],"outputs":[{"name":"a"},{"name":"b"},{"name":"c"}]})"),
                kInvalidArg, "request has 3 outputs, at most 2 are allowed");
  const std::string input = R"(","datatype":"FP32","shape":[0],"data":[]})";
  EXPECT_STATUS(http(R"({"inputs":[{"name":"a)" + input + R"(,{"name":"b)" + input +
                     R"(,{"name":"c)" + input + "]}"),
                kInvalidArg, "request has 3 inputs, at most 2 are allowed");
  EXPECT_STATUS(http(R"({"inputs":[],"parameters":{"a":1,"b":1,"c":1}})"), kInvalidArg,
                "request has 3 parameters, at most 2 are allowed");
}

TEST_F(HttpLimitsTest, LargeDocumentsLeaveNoMemoryBehind) {
  std::string json = R"({"inputs":[],"x":[1)";
  while (json.size() < (std::size_t{6} << 20)) json += ",11111111111";
  EXPECT_OK(http(json + "]}"));
  EXPECT_OK(http(R"({"inputs":[]})"));
}

// ---- B-3

TEST_F(HttpLimitsTest, RawRequest) {
  EXPECT_OK(http("abcdefgh", 0));
  EXPECT_EQ(input().view.shape, (Shape{2}));
  EXPECT_EQ(input().view.type, DataType::kFp32);
  EXPECT_EQ(string_of(input().view), "abcdefgh");
  EXPECT_EQ(input().lease.get(), owner_.get());
  EXPECT_TRUE(request_->binary_data_output);
  EXPECT_OK(validate(*request_));

  plan_.max_batch_size = 4;
  plan_.inputs[0].dims = Shape{2, -1};
  EXPECT_OK(http(std::string(24, 'x'), 0));
  EXPECT_EQ(input().view.shape, (Shape{1, 2, 3}));
}

TEST_F(HttpLimitsTest, RawRequestOfFixedShape) {
  plan_.inputs[0].dims = Shape{2};
  EXPECT_OK(http("abcdefgh", 0));
  EXPECT_OK(validate(*request_));
  EXPECT_OK(http("abcd", 0));
  EXPECT_STATUS(validate(*request_), kInvalidArg,
                "[request id: <id_unknown>] input byte size mismatch for input 'IN' for model 'm'. "
                "Expected 8, got 4");
}

TEST_F(HttpLimitsTest, RawBytes) {
  plan_.inputs[0] = tensor_spec("IN", DataType::kBytes, Shape{1});
  EXPECT_OK(http("hello", 0));
  EXPECT_EQ(string_of(input().view), element("hello"));
  EXPECT_OK(validate(*request_));
  plan_.inputs[0].dims = Shape{-1};
  EXPECT_OK(http("", 0));
  EXPECT_EQ(input().view.shape, (Shape{1}));
  EXPECT_EQ(string_of(input().view), element(""));
  plan_.inputs[0].dims = Shape{2};
  EXPECT_STATUS(http("hello", 0), kInvalidArg,
                "For BYTE datatype raw input 'IN', the model must have input shape [1]");
}

TEST_F(HttpLimitsTest, RawRequestsThatCannotBe) {
  plan_.inputs[0].dims = Shape{-1, -1};
  EXPECT_STATUS(http("abcd", 0), kInvalidArg,
                "The shape of the raw input 'IN' can not be deduced because there are more than "
                "one variable-sized dimension");
  plan_.inputs[0].dims = Shape{0, -1};  // nothing to divide by
  EXPECT_OK(http("abcd", 0));
  EXPECT_FALSE(validate(*request_).ok());
  plan_.inputs.push_back(tensor_spec("B", DataType::kFp32, Shape{1}));
  EXPECT_STATUS(http("abcd", 0), kInvalidArg,
                "Raw request must only have 1 input (found 2) to be deduced but got 2 inputs in "
                "'m' model configuration");
  plan_.inputs.pop_back();
  limit({.max_input_bytes = 3});
  EXPECT_STATUS(http("abcd", 0), kInvalidArg,
                "Raw input has a byte_size (4 bytes) that exceeds the maximum allowed value of 3 "
                "bytes." +
                    std::string(kRaise));
}

}  // namespace
}  // namespace penstock::testing
