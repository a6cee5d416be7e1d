// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Contract C-7: the checks, their order and their texts.
#include <gtest/gtest.h>

#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

using testing::add_input;
using testing::tensor_spec;

class ValidateTest : public ::testing::Test {
 protected:
  ValidateTest() : pool_(make_page_allocator(), {}), slots_(8) {
    plan_ = testing::pair_plan(4);
    plan_.inputs.push_back(tensor_spec("TEXT", DataType::kBytes, Shape{-1}));
    plan_.inputs[1].optional = true;
    request_ = slots_.acquire();
    RequestTestPeer::bind(*request_, plan_);
  }
  ~ValidateTest() override { slots_.release(request_); }

  void good_input(std::int64_t batch = 1) {
    add_input<float>(*request_, pool_, "IN", DataType::kFp32, Shape{batch, 2},
                     std::vector<float>(static_cast<std::size_t>(batch) * 2));
  }
  std::string error() {
    Status status = validate(*request_);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.code(), Code::kInvalidArg);
    return status.message();
  }

  BufferPool pool_;
  ModelPlan plan_;
  RequestPool slots_;
  Request* request_;
};

TEST_F(ValidateTest, GoodRequestSetsBatchSize) {
  good_input(3);
  EXPECT_TRUE(validate(*request_).ok());
  EXPECT_EQ(request_->batch_size, 3);
}

TEST_F(ValidateTest, UnknownOutputComesFirst) {
  request_->add_output("NOPE");
  EXPECT_EQ(error(), "[request id: <id_unknown>] unexpected inference output 'NOPE' for model 'm'");
}

TEST_F(ValidateTest, MissingInput) {
  request_->id = "7";
  EXPECT_EQ(error(),
            "[request id: 7] expected number of inputs between 1 and 2 but got 0 inputs for model "
            "'m'. Got input(s) [], but missing required input(s) ['IN']. Please provide all "
            "required input(s).");
}

TEST_F(ValidateTest, MissingInputWithoutOptionalOnes) {
  plan_.inputs[1].optional = false;
  good_input();
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] expected 2 inputs but got 1 inputs for model 'm'. Got "
            "input(s) ['IN'], but missing required input(s) ['TEXT']. Please provide all required "
            "input(s).");
}

TEST_F(ValidateTest, UnknownInput) {
  add_input<float>(*request_, pool_, "X", DataType::kFp32, Shape{1, 2}, {1, 2});
  EXPECT_EQ(error(), "[request id: <id_unknown>] unexpected inference input 'X' for model 'm'");
}

TEST_F(ValidateTest, DuplicateInputIsNotTaken) {
  good_input();
  EXPECT_EQ(request_->add_input("IN"), nullptr);
  EXPECT_NE(request_->add_input("X"), nullptr);
  EXPECT_EQ(request_->add_input("X"), nullptr);
}

TEST_F(ValidateTest, BatchTooLarge) {
  good_input(5);
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] inference request batch-size must be <= 4 for 'm'");
}

TEST_F(ValidateTest, BatchMismatch) {
  good_input(2);
  add_input<char>(*request_, pool_, "TEXT", DataType::kBytes, Shape{1, 0}, {});
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] input 'TEXT' batch size does not match other inputs for "
            "'m'");
}

TEST_F(ValidateTest, NoShape) {
  add_input<float>(*request_, pool_, "IN", DataType::kFp32, Shape{}, {1});
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] input 'IN' has no shape but model requires batch dimension "
            "for 'm'");
}

TEST_F(ValidateTest, WrongType) {
  add_input<int>(*request_, pool_, "IN", DataType::kInt32, Shape{1, 2}, {1, 2});
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] inference input 'IN' data-type is 'INT32', but model 'm' "
            "expects 'FP32'");
}

TEST_F(ValidateTest, WrongShape) {
  add_input<float>(*request_, pool_, "IN", DataType::kFp32, Shape{1, 5}, std::vector<float>(5));
  const std::string text = error();
  EXPECT_NE(text.find("unexpected shape for input 'IN' for model 'm'. Expected [-1,2], got [1,5]. "
                      "NOTE: Setting a non-zero max_batch_size"),
            std::string::npos)
      << text;
}

TEST_F(ValidateTest, WrongShapeWithoutBatching) {
  plan_.max_batch_size = 0;
  add_input<float>(*request_, pool_, "IN", DataType::kFp32, Shape{3}, std::vector<float>(3));
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] unexpected shape for input 'IN' for model 'm'. Expected "
            "[2], got [3]. ");
}

TEST_F(ValidateTest, NegativeDimension) {
  plan_.max_batch_size = 0;
  add_input<float>(*request_, pool_, "IN", DataType::kFp32, Shape{-1}, {});
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] All input dimensions should be specified for input 'IN' "
            "for model 'm', got [-1]");
}

TEST_F(ValidateTest, ByteSize) {
  InputTensor* input =
      add_input<float>(*request_, pool_, "IN", DataType::kFp32, Shape{1, 2}, {1, 2});
  input->view.size_bytes = 7;
  EXPECT_EQ(error(),
            "[request id: <id_unknown>] input byte size mismatch for input 'IN' for model 'm'. "
            "Expected 8, got 7");
}

struct StringCase {
  std::vector<unsigned char> data;
  std::int64_t count;
  const char* text;
};

TEST_F(ValidateTest, Strings) {
  const StringCase cases[] = {
      {{1, 0, 0, 0, 'a'},
       2,
       "expected 2 string elements for inference input 'TEXT' for model 'm', got 1"},
      {{1, 0, 0, 0, 'a', 0, 0, 0, 0},
       1,
       "unexpected number of string elements 2 for inference input 'TEXT' for model 'm', expecting "
       "1"},
      {{1, 0, 0},
       1,
       "incomplete string length indicator for inference input 'TEXT' for model 'm', expecting 4 "
       "bytes but only 3 bytes available. Please make sure the string length indicator is in one "
       "buffer."},
      {{255, 255, 255, 255, 'a'}, 1, "incomplete string data for inference input 'TEXT'"},
      {{5, 0, 0, 0, 'a'}, 1, "incomplete string data for inference input 'TEXT'"},
  };
  for (const auto& c : cases) {
    Request* request = slots_.acquire();
    RequestTestPeer::bind(*request, plan_);
    add_input<float>(*request, pool_, "IN", DataType::kFp32, Shape{1, 2}, {1, 2});
    add_input<unsigned char>(*request, pool_, "TEXT", DataType::kBytes, Shape{1, c.count}, c.data);
    const Status status = validate(*request);
    EXPECT_NE(status.message().find(c.text), std::string::npos) << status.message();
    slots_.release(request);
  }
}

TEST_F(ValidateTest, ZeroElementsAreLegal) {  // C-8
  good_input();
  add_input<char>(*request_, pool_, "TEXT", DataType::kBytes, Shape{1, 0}, {});
  EXPECT_TRUE(validate(*request_).ok());
}

}  // namespace
}  // namespace penstock
