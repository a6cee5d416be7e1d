// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Answers that were written by a server, and by nobody knows whom.
#include "cache/answer_bytes.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

ModelPlan two_outputs() {
  ModelPlan plan = testing::pair_plan(8);
  plan.outputs.push_back(testing::tensor_spec("TEXT", DataType::kBytes, Shape{-1}));
  return plan;
}

class AnswerBytesTest : public ::testing::Test {
 protected:
  AnswerBytesTest() {
    RequestTestPeer::bind(request_, plan_);
    request_.response.request = &request_;
    give(0, DataType::kFp32, Shape{1, 2}, std::string(8, 'f'));
    give(1, DataType::kBytes, Shape{1, 2}, std::string("\3\0\0\0abc\0\0\0\0", 11));
  }
  void give(std::uint32_t spec, DataType type, Shape shape, const std::string& data) {
    OutputTensor& output = request_.response.outputs.append();
    output.spec = spec;
    output.lease = testing::bytes(pool_, data.data(), data.size());
    output.view.type = type;
    output.view.shape = shape;
    output.view.data = output.lease->data;
    output.view.size_bytes = data.size();
  }
  static std::string text(const TensorView& view) {
    return {reinterpret_cast<const char*>(view.data), view.size_bytes};
  }

  const ModelPlan plan_ = two_outputs();
  BufferPool pool_{make_page_allocator(), {}};
  Request request_;
};

TEST_F(AnswerBytesTest, ComeBackAsTheyWere) {
  (void)request_.add_output("TEXT");
  (void)request_.add_output("OUT");
  const std::string bytes = write_answer(request_);
  EXPECT_LE(bytes.size(), answer_size(request_));
  const auto answer = read_answer(bytes, plan_);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->asked, (std::vector<std::uint32_t>{1, 0}));
  ASSERT_EQ(answer->outputs.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const OutputTensor& was = request_.response.outputs[i];
    const OutputTensor& is = answer->outputs[i];
    EXPECT_EQ(is.spec, was.spec);
    EXPECT_EQ(is.view.type, was.view.type);
    EXPECT_EQ(to_string(is.view.shape), to_string(was.view.shape));
    EXPECT_EQ(text(is.view), text(was.view));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(is.view.data) % 64, 0u);
  }
}

TEST_F(AnswerBytesTest, OfAnotherModelAreNoAnswer) {
  const std::string bytes = write_answer(request_);
  ModelPlan renamed = two_outputs();
  renamed.outputs[1].name = "WORDS";
  EXPECT_FALSE(read_answer(bytes, renamed));
  ModelPlan retyped = two_outputs();
  retyped.outputs[0].type = DataType::kInt32;
  EXPECT_FALSE(read_answer(bytes, retyped));
}

TEST_F(AnswerBytesTest, CutOrChangedAreNoAnswer) {
  const std::string bytes = write_answer(request_);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // In memory of its own size, for the sanitizers.
    const std::string cut(bytes, 0, size);
    EXPECT_FALSE(read_answer(cut, plan_)) << size;
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x20);
    EXPECT_FALSE(read_answer(changed, plan_)) << i;
  }
  EXPECT_FALSE(read_answer(bytes + "x", plan_));
}

// With a check sum that is right, as somebody could make one who means harm.
TEST_F(AnswerBytesTest, ForgedOnesHarmNobody) {
  const std::string bytes = write_answer(request_);
  std::mt19937 random(11);
  int answers = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string forged = bytes;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      forged[16 + random() % (forged.size() - 16)] = static_cast<char>(random());
    }
    if (random() % 4 == 0) forged.resize(16 + random() % (forged.size() - 16));
    seal_answer(forged);
    const auto answer = read_answer(forged, plan_);
    if (!answer) continue;
    ++answers;
    for (const auto& output : answer->outputs) {
      ASSERT_LT(output.spec, plan_.outputs.size());
      ASSERT_EQ(output.view.type, plan_.outputs[output.spec].type);
      std::uint64_t sum = 0;
      for (const char c : text(output.view)) sum += static_cast<unsigned char>(c);
      ASSERT_GE(sum, 0u);
    }
  }
  EXPECT_GT(answers, 0);  // those whose data alone was changed
}

}  // namespace
}  // namespace penstock
