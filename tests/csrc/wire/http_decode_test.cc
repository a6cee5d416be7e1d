// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HTTP inference bodies: what is taken (contract 1.5, 1.6) and the texts of what is not.
#include <cmath>

#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

class HttpDecodeTest : public WireTest {
 protected:
  // A request with one input whose members, after its name, are `members`.
  Status with_input(std::string_view members) {
    return http(R"({"inputs":[{"name":"IN",)" + std::string(members) + "}]}");
  }
  Status with_data(std::string_view type, std::string_view shape, std::string_view data) {
    return with_input(R"("datatype":")" + std::string(type) + R"(","shape":)" + std::string(shape) +
                      R"(,"data":)" + std::string(data));
  }
  Status with_top(std::string_view members) {
    return http("{" + std::string(members) +
                R"(,"inputs":[{"name":"IN","datatype":"FP32","shape":[1],"data":[1]}]})");
  }
  Status with_output(std::string_view output) {
    return with_top(R"("outputs":[)" + std::string(output) + "]");
  }
};

// ---- what is taken

TEST_F(HttpDecodeTest, NestedAndFlatDataAreRowMajor) {  // H-41
  EXPECT_OK(with_data("FP32", "[2,2]", "[[1,2.5],[-3e2,4]]"));
  EXPECT_EQ(values_of<float>(input().view), (std::vector<float>{1, 2.5F, -300, 4}));
  EXPECT_OK(with_data("FP32", "[2,2]", "[1,[[2.5]],-3e2,4]"));
  EXPECT_EQ(values_of<float>(input().view), (std::vector<float>{1, 2.5F, -300, 4}));
}

TEST_F(HttpDecodeTest, BooleansAndStrings) {
  EXPECT_OK(with_data("BOOL", "[3]", "[true,false,true]"));
  EXPECT_EQ(string_of(input().view), std::string("\1\0\1", 3));
  EXPECT_OK(with_data("BYTES", "[1,3]", R"([["", "a\u00e9", "\u0000"]])"));
  EXPECT_EQ(string_of(input().view),
            element("") + element("a\xC3\xA9") + element(std::string(1, '\0')));
}

TEST_F(HttpDecodeTest, IntegersAtTheirLimits) {
  EXPECT_OK(with_data("INT64", "[2]", "[-9223372036854775808,9223372036854775807]"));
  EXPECT_EQ(values_of<std::int64_t>(input().view),
            (std::vector<std::int64_t>{INT64_MIN, INT64_MAX}));
  EXPECT_OK(with_data("UINT64", "[1]", "[18446744073709551615]"));
  EXPECT_EQ(values_of<std::uint64_t>(input().view), std::vector<std::uint64_t>{UINT64_MAX});
  EXPECT_OK(with_data("FP64", "[1]", "[18446744073709551615]"));
  EXPECT_EQ(values_of<double>(input().view), std::vector<double>{18446744073709551616.0});
}

TEST_F(HttpDecodeTest, EmptyTensors) {  // C-8
  EXPECT_OK(with_data("FP32", "[0,4]", "[]"));
  EXPECT_EQ(input().view.size_bytes, 0u);
  EXPECT_OK(with_data("FP32", "[9223372036854775807,0,9223372036854775807]", "[[],[]]"));
  EXPECT_EQ(input().view.size_bytes, 0u);
}

TEST_F(HttpDecodeTest, NonfiniteLiteralsInArrays) {  // suite L0_nan_inf
  EXPECT_OK(with_data("FP32", "[5]", "[NaN, Infinity,-Infinity,Inf,-Inf]"));
  const auto values = values_of<float>(input().view);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], INFINITY);
  EXPECT_EQ(values[2], -INFINITY);
  EXPECT_EQ(values[3], INFINITY);
  EXPECT_EQ(values[4], -INFINITY);
  EXPECT_OK(with_data("FP64", "[2]", "[[NaN],[1e308]]"));
  EXPECT_EQ(values_of<double>(input().view)[1], 1e308);
}

TEST_F(HttpDecodeTest, NonfiniteLiteralsNowhereElse) {
  EXPECT_FALSE(with_data("INT32", "[1]", "[NaN]").ok());
  EXPECT_FALSE(with_data("BYTES", "[1]", "[NaN]").ok());
  EXPECT_FALSE(with_data("FP32", "[NaN]", "[1]").ok());
  EXPECT_FALSE(with_data("FP32", "[1]", "NaN").ok());
  EXPECT_FALSE(with_top(R"("id":NaN)").ok());
  EXPECT_FALSE(with_data("FP32", "[1]", "[NaNs]").ok());
  EXPECT_FALSE(with_data("FP32", "[1]", R"([{"NaN":0}])").ok());
  EXPECT_FALSE(http(R"({"inputs":[NaN]})").ok());
}

TEST_F(HttpDecodeTest, BinaryInputsInOrder) {  // B-1
  plan_.inputs.push_back(tensor_spec("B", DataType::kUint8, Shape{-1}));
  const std::string json =
      R"({"inputs":[{"name":"IN","datatype":"UINT8","shape":[3],)"
      R"("parameters":{"binary_data_size":3}},)"
      R"({"name":"E","datatype":"UINT8","shape":[0],"parameters":{"binary_data_size":0}},)"
      R"({"name":"B","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}]})";
  EXPECT_OK(http_binary(json, "abcde"));
  EXPECT_EQ(string_of(input(0).view), "abc");
  EXPECT_EQ(string_of(input(1).view), "");
  EXPECT_EQ(string_of(input(2).view), "de");
  EXPECT_EQ(input(1).spec, kUnknownSpec);
  EXPECT_EQ(input(1).unknown_name, "E");
  EXPECT_EQ(input(2).spec, 1u);
}

TEST_F(HttpDecodeTest, ReservedParameters) {  // H-46
  EXPECT_OK(with_top(
      R"("id":"r\"1","parameters":{"sequence_id":18446744073709551615,"sequence_start":true,)"
      R"("sequence_end":true,"priority":2,"timeout":5000,"binary_data_output":true})"));
  EXPECT_EQ(request_->id, "r\"1");
  EXPECT_EQ(request_->correlation_id, UINT64_MAX);
  EXPECT_EQ(request_->flags, kSequenceStart | kSequenceEnd);
  EXPECT_EQ(request_->priority, 2u);
  EXPECT_EQ(request_->timeout_us, 5000u);
  EXPECT_TRUE(request_->binary_data_output);
  EXPECT_TRUE(request_->parameters.empty());
  EXPECT_OK(with_top(R"("parameters":{"sequence_id":"seq","sequence_start":false})"));
  EXPECT_EQ(request_->correlation_id_string, "seq");
  EXPECT_EQ(request_->flags, 0u);
}

TEST_F(HttpDecodeTest, Deadline) {
  EXPECT_OK(with_top(R"("parameters":{"deadline_ms":250})"));
  EXPECT_EQ(request_->deadline_ms, 250u);
  ASSERT_EQ(request_->parameters.size(), 1u);  // as for a model of Triton's that knows the name
  EXPECT_EQ(std::get<std::int64_t>(request_->parameters[0].value), 250);
  EXPECT_OK(with_top(R"("id":"a")"));
  EXPECT_EQ(request_->deadline_ms, Request::kNoDeadlineMs);
  for (const char* bad : {R"("deadline_ms":-1)", R"("deadline_ms":"5")", R"("deadline_ms":1.5)",
                          R"("deadline_ms":null)"}) {
    const Status status = with_top("\"parameters\":{" + std::string(bad) + "}");
    EXPECT_EQ(status.code(), Code::kInvalidArg) << bad;
    EXPECT_TRUE(status.message().starts_with("Unable to parse 'deadline_ms': ")) << bad;
  }
  EXPECT_STATUS(with_top(R"("parameters":{"deadline_ms":1,"deadline_ms":2})"), kInvalidArg,
                "Unable to parse 'deadline_ms': the parameter occurs twice");
}

TEST_F(HttpDecodeTest, CustomParameters) {  // H-47
  EXPECT_OK(with_top(R"("parameters":{"s":"t","i":-3,"b":true,"d":0.5,"u":18446744073709551615})"));
  ASSERT_EQ(request_->parameters.size(), 5u);
  EXPECT_EQ(std::get<std::string>(request_->parameters[0].value), "t");
  EXPECT_EQ(std::get<std::int64_t>(request_->parameters[1].value), -3);
  EXPECT_EQ(std::get<bool>(request_->parameters[2].value), true);
  EXPECT_EQ(std::get<double>(request_->parameters[3].value), 0.5);
  EXPECT_EQ(std::get<double>(request_->parameters[4].value), 18446744073709551616.0);
}

TEST_F(HttpDecodeTest, ForwardedHeadersGiveWayToParameters) {  // 1.15
  for (const char* name : {"x-a", "x-b"}) {
    Parameter& header = request_->parameters.append();
    header.name = name;
    header.value = std::string("header");
  }
  const BufferLease body = exact_lease(R"({"inputs":[],"parameters":{"x-a":1}})");
  EXPECT_OK(http_->decode(span_of(body), std::nullopt, body, *request_));
  ASSERT_EQ(request_->parameters.size(), 2u);
  EXPECT_EQ(std::get<std::int64_t>(request_->parameters[0].value), 1);
  EXPECT_EQ(std::get<std::string>(request_->parameters[1].value), "header");
}

TEST_F(HttpDecodeTest, Outputs) {  // H-44, H-45
  EXPECT_OK(with_output(
      R"({"name":"OUT1","parameters":{"binary_data":true,"classification":5000000000}},)"
      R"({"name":"other"})"));
  ASSERT_EQ(request_->outputs.size(), 2u);
  EXPECT_EQ(request_->outputs[0].spec, 1u);
  EXPECT_TRUE(request_->outputs[0].binary);
  EXPECT_EQ(request_->outputs[0].class_count, UINT32_MAX);
  EXPECT_EQ(request_->outputs[1].spec, kUnknownSpec);
  EXPECT_EQ(request_->outputs[1].unknown_name, "other");
}

TEST_F(HttpDecodeTest, ParsesInPlaceOrInACopy) {
  const std::string json = R"({"inputs":[{"name":"IN","datatype":"UINT8","shape":[80],)"
                           R"("parameters":{"binary_data_size":80}}]})";
  EXPECT_OK(http_binary(json, std::string(80, 'x')));  // in place: the tensor is the padding
  EXPECT_EQ(string_of(input().view), std::string(80, 'x'));
  BufferLease lease = pool_.acquire(5000);  // in place: the buffer's own end is
  const std::string small = R"({"inputs":[]})";
  std::memcpy(lease->data, small.data(), small.size());
  renew();
  EXPECT_OK(http_->decode({lease->data, small.size()}, std::nullopt, lease, *request_));
  EXPECT_OK(http(small));  // copied
}

TEST_F(HttpDecodeTest, WarmDecodesAskThePoolAlone) {
  for (int round = 0; round < 3; ++round) EXPECT_OK(with_data("FP32", "[3]", "[1,2,3]"));
  const auto before = pool_.stats().system_allocs;
  for (int round = 0; round < 100; ++round) EXPECT_OK(with_data("FP32", "[3]", "[1,2,3]"));
  EXPECT_EQ(pool_.stats().system_allocs, before);
}

// ---- H-40

TEST_F(HttpDecodeTest, MissingOrIllTypedMembers) {
  EXPECT_STATUS(http("{}"), kInvalidArg, "Unable to parse 'inputs': the member is missing");
  EXPECT_STATUS(http("[]"), kInvalidArg, "Unable to parse 'inputs': the request is not an object");
  EXPECT_STATUS(http(R"({"inputs":3})"), kInvalidArg,
                "Unable to parse 'inputs': expected an array, got an integer");
  EXPECT_STATUS(http(R"({"inputs":[[]]})"), kInvalidArg,
                "Unable to parse 'inputs': expected an array of objects in inputs[0]");
  EXPECT_STATUS(http(R"({"inputs":[{}]})"), kInvalidArg,
                "Unable to parse 'name': the member is missing in inputs[0]");
  EXPECT_STATUS(http(R"({"inputs":[{"name":1}]})"), kInvalidArg,
                "Unable to parse 'name': expected a string, got an integer in inputs[0]");
  EXPECT_STATUS(with_input(R"("shape":[1])"), kInvalidArg,
                "Unable to parse 'datatype': the member is missing in inputs[0]");
  EXPECT_STATUS(with_input(R"("datatype":"FP32")"), kInvalidArg,
                "Unable to parse 'shape': the member is missing in inputs[0]");
  EXPECT_STATUS(with_input(R"("datatype":"FP33","shape":[1],"data":[1])"), kInvalidArg,
                "invalid datatype for input IN");
  EXPECT_STATUS(with_top(R"("id":null)"), kInvalidArg,
                "Unable to parse 'id': expected a string, got null");
  EXPECT_STATUS(with_data("FP32", "[1]", "1"), kInvalidArg,
                "Unable to parse 'data': expected an array, got an integer in inputs[0]");
}

TEST_F(HttpDecodeTest, IllTypedShapes) {
  EXPECT_STATUS(with_data("FP32", "[2,1.5]", "[1]"), kInvalidArg,
                "Unable to parse 'shape': dimension 1 is a number with a fraction or an exponent, "
                "expected an integer in inputs[0]");
  for (const char* bad : {"1", "\"1\"", "[\"1\"]", "[true]", "[null]", "[[1]]", "{}"}) {
    EXPECT_FALSE(with_data("FP32", bad, "[1]").ok()) << bad;
  }
  EXPECT_STATUS(with_data("FP32", "[9223372036854775808]", "[1]"), kInvalidArg,
                "Unable to parse 'shape': dimension 0 is larger than 9223372036854775807 in "
                "inputs[0]");
  EXPECT_STATUS(with_data("FP32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[1]"), kInvalidArg,
                "invalid shape for input 'IN': it has 17 dimensions, at most 16 are supported");
}

TEST_F(HttpDecodeTest, DuplicateMembers) {
  EXPECT_STATUS(http(R"({"inputs":[],"inputs":[]})"), kInvalidArg,
                "Unable to parse 'inputs': the member occurs twice");
  EXPECT_STATUS(with_data("FP32", "[1],\"shape\":[1]", "[1]"), kInvalidArg,
                "Unable to parse 'shape': the member occurs twice in inputs[0]");
  EXPECT_STATUS(with_top(R"("parameters":{"priority":1,"priority":2})"), kInvalidArg,
                "Unable to parse 'priority': the parameter occurs twice");
  EXPECT_STATUS(with_top(R"("parameters":{"x":1,"x":2})"), kInvalidArg,
                "Unable to parse 'x': the parameter occurs twice");
  EXPECT_OK(with_top(R"("other":1,"other":{"deep":[2]})"));  // not ours: skipped
}

// ---- H-41

TEST_F(HttpDecodeTest, ElementCountMustMatch) {  // X-7
  EXPECT_STATUS(with_data("FP32", "[2]", "[1,2,3]"), kInternal,
                "Unable to parse 'data': Shape does not match true shape of 'data' field");
  EXPECT_STATUS(with_data("FP32", "[4]", "[1,2,3]"), kInternal,
                "Failed to parse 'data' field: shape does not match true shape");
  EXPECT_STATUS(with_data("BYTES", "[1]", R"(["a","b"])"), kInternal,
                "Unable to parse 'data': Shape does not match true shape of 'data' field");
  EXPECT_STATUS(with_data("BYTES", "[2]", R"(["a"])"), kInternal,
                "Failed to parse 'data' field: shape does not match true shape");
  const auto before = pool_.stats().acquired;
  EXPECT_STATUS(with_data("UINT8", "[16000000]", "[1]"), kInternal,
                "Failed to parse 'data' field: shape does not match true shape");
  EXPECT_EQ(pool_.stats().acquired, before);  // nothing was taken for what is not there
}

TEST_F(HttpDecodeTest, HalfPrecisionIsNotForJson) {  // X-8
  EXPECT_STATUS(with_data("FP16", "[1]", "[1]"), kInvalidArg,
                "receiving FP16 data via JSON is not supported. Please use the binary data format "
                "for input IN");
  EXPECT_STATUS(with_data("BF16", "[1]", "[1]"), kInvalidArg,
                "receiving BF16 data via JSON is not supported. Please use the binary data format "
                "for input IN");
}

TEST_F(HttpDecodeTest, ElementsThatDoNotFit) {
  EXPECT_STATUS(with_data("INT32", "[2]", "[1,1.5]"), kInvalidArg,
                "Unable to parse 'data': element 1 of input 'IN' is a number with a fraction or an "
                "exponent, expected a value of INT32");
  const std::vector<std::pair<const char*, const char*>> bad{{"INT32", "1.0"},
                                                             {"INT32", "2147483648"},
                                                             {"INT8", "128"},
                                                             {"INT8", "-129"},
                                                             {"UINT8", "-1"},
                                                             {"UINT8", "256"},
                                                             {"UINT64", "-1"},
                                                             {"INT32", "true"},
                                                             {"INT32", "\"1\""},
                                                             {"INT32", "null"},
                                                             {"FP32", "true"},
                                                             {"FP32", "\"1\""},
                                                             {"FP32", "1e39"},
                                                             {"FP32", "{}"},
                                                             {"BOOL", "1"},
                                                             {"BOOL", "\"true\""},
                                                             {"BYTES", "1"},
                                                             {"BYTES", "null"},
                                                             {"INT16", "40000"},
                                                             {"UINT16", "65536"},
                                                             {"UINT32", "4294967296"},
                                                             {"INT64", "9223372036854775808"}};
  for (const auto& [type, value] : bad) {
    const Status status = with_data(type, "[1]", "[" + std::string(value) + "]");
    ASSERT_FALSE(status.ok()) << type << " " << value;
    EXPECT_EQ(status.code(), Code::kInvalidArg) << status.message();
  }
}

TEST_F(HttpDecodeTest, LargestFloatAsItsShortestText) {
  EXPECT_OK(with_data("FP32", "[1]", "[3.4028235e+38]"));
  EXPECT_EQ(values_of<float>(input().view)[0], std::numeric_limits<float>::max());
}

// ---- H-42, H-43, H-45

TEST_F(HttpDecodeTest, ExactlyOneSource) {
  const std::string head =
      "Input must set only one of the following fields: 'data', 'binary_data_size' in "
      "'parameters', 'shared_memory_region' in 'parameters'. But ";
  const std::string start = R"("datatype":"FP32","shape":[1])";
  EXPECT_STATUS(with_input(start), kInvalidArg, head + "no field is set");
  EXPECT_STATUS(with_input(start + R"(,"parameters":{})"), kInvalidArg, head + "no field is set");
  EXPECT_STATUS(with_input(start + R"(,"data":[1],"parameters":{"binary_data_size":4})"),
                kInvalidArg, head + "set 'data' 'binary_data_size'");
  EXPECT_STATUS(
      with_input(start + R"(,"parameters":{"binary_data_size":4,"shared_memory_region":"r",)"
                         R"("shared_memory_byte_size":4})"),
      kInvalidArg, head + "set 'binary_data_size' 'shared_memory_region'");
}

TEST_F(HttpDecodeTest, SharedMemory) {  // SHM-6
  const std::string start = R"("datatype":"FP32","shape":[1],"parameters":)";
  EXPECT_STATUS(with_input(start + R"({"shared_memory_region":"r","shared_memory_byte_size":4})"),
                kNotFound, "Unable to find shared memory region: 'r'");
  EXPECT_STATUS(with_input(start + R"({"shared_memory_region":"r"})"), kInvalidArg,
                "Unable to parse 'shared_memory_byte_size': the member is missing in inputs[0]");
  const std::string region = R"("shared_memory_region":"r","shared_memory_byte_size":4})";
  EXPECT_STATUS(with_output(R"({"name":"OUT","parameters":{)" + region + "}"), kNotFound,
                "Unable to find shared memory region: 'r'");
  EXPECT_STATUS(with_output(R"({"name":"OUT","parameters":{"classification":1,)" + region + "}"),
                kInvalidArg, "Output can't set both 'shared_memory_region' and 'classification'");
  EXPECT_STATUS(with_output(R"({"name":"OUT","parameters":{"binary_data":true,)" + region + "}"),
                kInvalidArg, "Output can't set both 'shared_memory_region' and 'binary_data'");
}

TEST_F(HttpDecodeTest, NamesGivenTwice) {  // C-7, H-44
  const std::string input = R"({"name":"IN","datatype":"FP32","shape":[1],"data":[1]})";
  EXPECT_STATUS(http(R"({"id":"7","inputs":[)" + input + "," + input + "]}"), kInvalidArg,
                "[request id: 7] input 'IN' already exists in request");
  EXPECT_STATUS(with_output(R"({"name":"OUT"},{"name":"OUT"})"), kInvalidArg,
                "[request id: <id_unknown>] output 'OUT' already exists in request");
  EXPECT_STATUS(with_output(R"({"name":"zzz"},{"name":"zzz"})"), kInvalidArg,
                "[request id: <id_unknown>] output 'zzz' already exists in request");
}

// ---- H-46, H-47, H-48

TEST_F(HttpDecodeTest, IllTypedParameters) {
  const auto with = [this](const std::string& parameter) {
    return with_top("\"parameters\":{" + parameter + "}");
  };
  EXPECT_STATUS(with(R"("sequence_id":-1)"), kInvalidArg,
                "Unable to parse 'sequence_id': expected an integer of 64 bits that is not "
                "negative, got a negative integer");
  EXPECT_STATUS(with(R"("sequence_start":1)"), kInvalidArg,
                "Unable to parse 'sequence_start': expected a boolean, got an integer");
  for (const char* bad : {R"("sequence_end":"yes")", R"("priority":"1")", R"("timeout":1.5)",
                          R"("binary_data_output":0)", R"("sequence_id":null)"}) {
    const Status status = with(bad);
    ASSERT_FALSE(status.ok());
    EXPECT_TRUE(status.message().starts_with("Unable to parse '")) << status.message();
  }
  for (const char* bad : {"null", "[]", "{}"}) {
    EXPECT_STATUS(with("\"k\":" + std::string(bad)), kInvalidArg,
                  "parameter 'k' has invalid type. It should be either 'int', 'bool', or "
                  "'string'.");
  }
  EXPECT_STATUS(with(R"("triton_x":1)"), kInvalidArg,
                "parameter keys starting with 'triton_' are reserved for Triton usage and should "
                "not be specified.");
  EXPECT_OK(with(R"("sequence_id":")" + std::string(128, 's') + '"'));
  EXPECT_STATUS(with(R"("sequence_id":")" + std::string(129, 's') + '"'), kUnsupported,
                "string correlation ID cannot be longer than 128 characters");
}

TEST_F(HttpDecodeTest, DecoupledModels) {
  plan_.decoupled = true;
  EXPECT_STATUS(with_data("FP32", "[1]", "[1]"), kUnsupported,
                "HTTP end point doesn't support models with decoupled transaction policy");
}

// ---- H-49

TEST_F(HttpDecodeTest, ImpossibleShapes) {
  EXPECT_STATUS(with_data("FP32", "[2,-1]", "[1]"), kInvalidArg,
                "invalid shape for input 'IN': shape [2,-1] contains one or more invalid "
                "dimensions");
  EXPECT_STATUS(with_data("FP32", "[4611686018427387904,4]", "[1]"), kInvalidArg,
                "invalid shape for input 'IN': shape [4611686018427387904,4] causes total element "
                "count to exceed maximum size of 9223372036854775807");
  EXPECT_STATUS(with_data("FP32", "[4611686018427387904]", "[1]"), kInvalidArg,
                "byte size overflow for input 'IN': element count (4611686018427387904) * data "
                "type size (4) exceeds maximum allowed size (9223372036854775807)");
  EXPECT_STATUS(http_binary(R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[-1],)"
                            R"("parameters":{"binary_data_size":4}}]})",
                            "abcd"),
                kInvalidArg,
                "invalid shape for input 'IN': shape [-1] contains one or more invalid "
                "dimensions");
}

// ---- B-1

TEST_F(HttpDecodeTest, BinarySizes) {
  const std::string json = R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[1],)"
                           R"("parameters":{"binary_data_size":4}}]})";
  EXPECT_STATUS(http_binary(json, "a"), kInvalidArg,
                "unexpected size for input 'IN', expecting 3 additional bytes for model 'm'");
  EXPECT_STATUS(http_binary(json, "abcde"), kInvalidArg,
                "unexpected additional input data for model 'm'");
  EXPECT_STATUS(http(json, json.size() + 6), kInvalidArg,
                "unexpected size for request JSON, expecting 6 more bytes");
  EXPECT_STATUS(http(json), kInvalidArg,
                "must specify valid 'Infer-Header-Content-Length' in request header and "
                "'binary_data_size' when passing inputs in binary data format");
  EXPECT_STATUS(
      with_input(R"("datatype":"FP32","shape":[1],"parameters":{"binary_data_size":-4})"),
      kInvalidArg,
      "Unable to parse 'binary_data_size': expected an integer of 64 bits that is not negative, "
      "got a negative integer in inputs[0]");
  EXPECT_STATUS(
      http_binary(R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[1],)"
                  R"("parameters":{"binary_data_size":18446744073709551615}}]})",
                  "abcd"),
      kInvalidArg,
      "unexpected size for input 'IN', expecting 18446744073709551611 additional bytes for model "
      "'m'");
}

}  // namespace
}  // namespace penstock::testing
