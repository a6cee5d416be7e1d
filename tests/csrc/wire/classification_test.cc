// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Classification (contract 1.7, X-16).
#include <cmath>
#include <limits>

#include "wire/proto_text.h"
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

class ClassificationTest : public WireTest {
 protected:
  void want(std::uint32_t class_count, bool binary = false) {
    RequestedOutput* output = request_->add_output("OUT");
    output->class_count = class_count;
    output->binary = binary;
  }

  std::string json(std::uint32_t class_count) {
    if (request_->outputs.empty()) want(class_count);
    request_->outputs[0].class_count = class_count;
    EXPECT_OK(http_->encode(request_->response, reply_));
    const std::string text = text_of(reply_);
    return text.substr(text.find("\"datatype\""));
  }

  template <typename T>
  std::string classes(DataType type, Shape shape, const std::vector<T>& values,
                      std::uint32_t class_count) {
    renew();
    add_values(0, type, shape, values);
    return json(class_count);
  }
};

TEST_F(ClassificationTest, TopOfATensor) {
  EXPECT_EQ(classes<float>(DataType::kFp32, Shape{2, 2}, {0.25F, 1.5F, -1, 1e10F}, 3),
            R"("datatype":"BYTES","shape":[3],)"
            R"("data":["10000000000.000000:3","1.500000:1","0.250000:0"]}]})");
}

TEST_F(ClassificationTest, TopOfEveryBatchItemWithLabels) {
  plan_.max_batch_size = 8;
  plan_.outputs[0].labels = {"cat", "", "dog \"rex\""};
  EXPECT_EQ(classes<std::int32_t>(DataType::kInt32, Shape{2, 2, 2}, {1, 2, 3, 4, 8, 7, 6, 5}, 2),
            R"("datatype":"BYTES","shape":[2,2],)"
            R"("data":["4:3","3:2:dog \"rex\"","8:0:cat","7:1"]}]})");
}

TEST_F(ClassificationTest, MoreClassesThanElements) {
  EXPECT_EQ(classes<std::uint8_t>(DataType::kUint8, Shape{2}, {1, 255}, UINT32_MAX),
            R"("datatype":"BYTES","shape":[2],"data":["255:1","1:0"]}]})");
  EXPECT_EQ(classes<float>(DataType::kFp32, Shape{0}, {}, 3),
            R"("datatype":"BYTES","shape":[0],"data":[]}]})");
  plan_.max_batch_size = 8;
  EXPECT_EQ(classes<float>(DataType::kFp32, Shape{0, 5}, {}, 3),
            R"("datatype":"BYTES","shape":[0,3],"data":[]}]})");
  EXPECT_EQ(classes<float>(DataType::kFp32, Shape{INT64_MAX, 0}, {}, 3),
            R"("datatype":"BYTES","shape":[9223372036854775807,0],"data":[]}]})");
}

TEST_F(ClassificationTest, EveryNumberType) {
  const std::string tail = R"("datatype":"BYTES","shape":[1],"data":["7:1"]}]})";
  EXPECT_EQ(classes<std::int8_t>(DataType::kInt8, Shape{2}, {-7, 7}, 1), tail);
  EXPECT_EQ(classes<std::int16_t>(DataType::kInt16, Shape{2}, {-7, 7}, 1), tail);
  EXPECT_EQ(classes<std::int64_t>(DataType::kInt64, Shape{2}, {-7, 7}, 1), tail);
  EXPECT_EQ(classes<std::uint16_t>(DataType::kUint16, Shape{2}, {0, 7}, 1), tail);
  EXPECT_EQ(classes<std::uint32_t>(DataType::kUint32, Shape{2}, {0, 7}, 1), tail);
  EXPECT_EQ(classes<std::uint64_t>(DataType::kUint64, Shape{2}, {0, 7}, 1), tail);
  EXPECT_EQ(classes<double>(DataType::kFp64, Shape{2}, {-1, 0.5}, 1),
            R"("datatype":"BYTES","shape":[1],"data":["0.500000:1"]}]})");
  const std::string huge = classes<double>(DataType::kFp64, Shape{1}, {-1.7e308}, 1);
  EXPECT_NE(huge.find("[\"" + std::to_string(-1.7e308) + ":0\"]"), std::string::npos);
}

TEST_F(ClassificationTest, NonfiniteValuesAndTies) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(classes<float>(DataType::kFp32, Shape{5}, {nan, 1, INFINITY, 1, -INFINITY}, 5),
            R"("datatype":"BYTES","shape":[5],)"
            R"("data":["inf:2","1.000000:1","1.000000:3","-inf:4","nan:0"]}]})");
}

TEST_F(ClassificationTest, BinaryAndGrpc) {
  plan_.outputs[0].labels = {"zero", "one"};
  renew();
  want(1, true);
  add_values<float>(0, DataType::kFp32, Shape{2}, {0, 2});
  add_values<float>(1, DataType::kFp32, Shape{1}, {9});
  const std::string expected = element("2.000000:1:one");
  EXPECT_OK(http_->encode(request_->response, reply_));
  EXPECT_TRUE(reply_.has_binary);
  EXPECT_EQ(text_of(reply_).substr(reply_.json_bytes), expected);
  EXPECT_OK(grpc_->encode(request_->response, reply_));
  const std::string raw = text_value(6, expected);
  EXPECT_NE(text_of(reply_).find(raw + text_value(6, std::string("\0\0\x10\x41", 4))),
            std::string::npos);
}

TEST_F(ClassificationTest, Refusals) {
  want(1);
  add_values<std::uint16_t>(0, DataType::kFp16, Shape{1}, {0});
  TensorView& view = request_->response.outputs[0].view;
  const auto text = [](const char* type) {
    return "class result not available for output due to unsupported type '" + std::string(type) +
           "'";
  };
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInvalidArg, text("FP16"));
  view.type = DataType::kBf16;
  EXPECT_STATUS(grpc_->encode(request_->response, reply_), kInvalidArg, text("BF16"));
  view.type = DataType::kBytes;
  EXPECT_STATUS(grpc_->encode(request_->response, reply_), kInvalidArg, text("BYTES"));
  view.type = DataType::kBool;
  view.shape = Shape{2};
  EXPECT_STATUS(grpc_->encode(request_->response, reply_), kInvalidArg, text("BOOL"));

  const std::vector<std::uint8_t> large(1'000'001);
  renew();
  want(1);
  add_values(0, DataType::kUint8, Shape{1'000'001}, large);
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInvalidArg,
                "classification output tensor too large");
  request_->response.outputs[0].view.shape = Shape{3};
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInternal,
                "output tensor shape does not match size of output for 'OUT'");
}

}  // namespace
}  // namespace penstock::testing
