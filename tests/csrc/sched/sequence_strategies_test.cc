// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// The two strategies of the sequence batcher, direct (S-26) and oldest (S-27).
#include "support/sequence_fixture.h"

namespace penstock {
namespace {

using testing::kEnd;
using testing::kStart;
using testing::kUs;
using testing::sequence_plan;
using Rows = std::vector<Request*>;
using Ints = std::vector<std::int32_t>;

class DirectTest : public testing::SequenceTest {
 protected:
  void make_direct(std::int64_t rows, double utilization = 0, std::uint64_t delay_us = 0) {
    ModelPlan plan = sequence_plan(SchedulerKind::kDirect, rows);
    testing::add_all_controls(plan);
    plan.sequence.minimum_slot_utilization = utilization;
    plan.sequence.max_queue_delay_us = delay_us;
    make(std::move(plan));
  }
};

TEST_F(DirectTest, S26_ASlotIsARow) {
  make_direct(4);
  for (std::uint64_t id = 1; id <= 3; ++id) submit(id, kStart);
  run();
  Request* c = submit(3, 0, 30);
  EXPECT_EQ(start(), (Rows{nullptr, nullptr, c}));  // spans to the highest slot taken
  EXPECT_EQ(values<std::int32_t>("READY"), (Ints{0, 0, 1}));
  EXPECT_EQ(values<float>("IN"), (std::vector<float>{30, 30, 30}));  // copies of the live one
  EXPECT_EQ(values<std::uint64_t>("CORRID"), (std::vector<std::uint64_t>{0, 0, 3}));
  finish();
  Request* a = submit(1, kEnd, 10);
  EXPECT_EQ(start(), (Rows{a, nullptr, nullptr}));
  EXPECT_EQ(values<std::int32_t>("END"), (Ints{1, 0, 0}));
  EXPECT_EQ(values<std::int32_t>("START"), (Ints{0, 0, 0}));
}

TEST_F(DirectTest, S26_PaddingIsNotAnswered) {
  make_direct(4);
  submit(1, kStart);
  submit(2, kStart);
  run();
  Request* b = submit(2, 0);
  ASSERT_EQ(start(), (Rows{nullptr, b}));
  ASSERT_EQ(batch().requests().size(), 1u);
  EXPECT_EQ(batch().total_batch_size(), 2);
  batch().fail(0, internal_error("of nobody"));
  batch().answer(0);
  EXPECT_TRUE(b->response.status.ok());
  EXPECT_FALSE(b->response.answered);
  ASSERT_TRUE(give("OUT", {5, 6}).ok());
  ASSERT_EQ(b->response.outputs.size(), 1u);
  EXPECT_EQ(b->response.outputs[0].view.data[0], std::byte{0});
  float value = 0;
  std::memcpy(&value, b->response.outputs[0].view.data, sizeof(value));
  EXPECT_EQ(value, 6);
  TensorView one;
  one.type = DataType::kFp32;
  one.shape = Shape{1, 1};
  const BufferLease lease = testing::bytes(pool_, &value, sizeof(value));
  one.data = lease->data;
  one.size_bytes = sizeof(value);
  ASSERT_TRUE(batch().set_output(0, 0, one, lease).ok());  // checked, and dropped
  EXPECT_EQ(b->response.outputs.size(), 1u);
}

TEST_F(DirectTest, S26_OneBatchAtATime) {
  make_direct(2);
  submit(1, kStart);
  Request* a2 = submit(1, 0);
  EXPECT_EQ(start().size(), 1u);
  finish();
  EXPECT_EQ(start(), (Rows{a2}));
}

TEST_F(DirectTest, S26_TheHighestRowGoesWithItsSequence) {
  make_direct(4);
  submit(1, kStart);
  submit(2, kStart | kEnd);
  EXPECT_EQ(run().size(), 2u);
  submit(1, 0);
  EXPECT_EQ(run().size(), 1u);
}

TEST_F(DirectTest, S26_WithoutBatchingThereIsOneRow) {
  make_direct(0);
  Request* a = submit(1, kStart);
  submit(2, kStart);
  EXPECT_EQ(start(), (Rows{a}));
  TensorView view;
  ASSERT_TRUE(batch().gather(spec("START"), view).ok());
  EXPECT_EQ(view.shape, (Shape{1}));
}

TEST_F(DirectTest, S26_WaitsForItsUtilizationOrTheDelay) {
  make_direct(4, 0.75, 100);
  submit(1, kStart);
  clock_.advance_ns(30 * kUs);
  submit(2, kStart);
  const Poll waiting = poll();
  EXPECT_EQ(waiting.kind, PollKind::kWait);
  EXPECT_EQ(waiting.wait_until_ns, 100 * kUs);
  submit(3, kStart);
  EXPECT_EQ(run().size(), 3u);  // three of four
  submit(1, 0);
  EXPECT_TRUE(start().empty());
  clock_.advance_ns(100 * kUs);
  EXPECT_EQ(run().size(), 3u);
}

TEST_F(DirectTest, S26_WhatDoesNotFitIsDeferred) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 4);
  plan.inputs[0].dims = Shape{-1};
  testing::add_all_controls(plan);
  make(std::move(plan));
  Request* a = submit(1, kStart);
  Request* odd = request(2, kStart);
  odd->inputs[0].view.shape = Shape{1, 3};
  submit(odd);
  Request* c = submit(3, kStart);
  EXPECT_EQ(run(), (Rows{a, nullptr, c}));
  EXPECT_EQ(run(), (Rows{nullptr, odd, nullptr}));
}

TEST_F(DirectTest, S26_OneThatDoesNotFitIsNotPassedOverForEver) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  plan.inputs[0].dims = Shape{-1};
  make(std::move(plan));
  submit(1, kStart);
  Request* odd = request(2, kStart);
  odd->inputs[0].view.shape = Shape{1, 3};
  submit(odd);
  start();
  submit(1, 0);  // comes while the other waits
  finish();
  EXPECT_EQ(start(), (Rows{nullptr, odd}));
}

TEST_F(DirectTest, S28_OneShotSequence) {
  make_direct(2);
  submit(9, kStart | kEnd);
  start();
  EXPECT_EQ(values<std::int32_t>("START"), (Ints{1}));
  EXPECT_EQ(values<std::int32_t>("END"), (Ints{1}));
  EXPECT_EQ(values<std::int32_t>("READY"), (Ints{1}));
  EXPECT_EQ(values<std::uint64_t>("CORRID"), (std::vector<std::uint64_t>{9}));
}

class OldestTest : public testing::SequenceTest {
 protected:
  static ModelPlan oldest_plan(std::int64_t max_batch_size, std::uint32_t candidates) {
    ModelPlan plan = sequence_plan(SchedulerKind::kOldest, max_batch_size);
    plan.sequence.max_candidate_sequences = candidates;
    return plan;
  }
};

TEST_F(OldestTest, S27_OneRequestOfASequenceAtATime) {
  make(oldest_plan(4, 8));
  Request* a1 = submit(1, kStart);
  Request* a2 = submit(1, 0);
  Request* b1 = submit(2, kStart);
  EXPECT_EQ(start(), (Rows{a1, b1}));
  EXPECT_EQ(poll(1 - 1).kind, PollKind::kWait);
  finish();
  EXPECT_EQ(start(), (Rows{a2}));
}

TEST_F(OldestTest, S27_TheOldestFirstAndNoMoreThanABatch) {
  make(oldest_plan(2, 8));
  Rows all;
  for (std::uint64_t id = 1; id <= 5; ++id) all.push_back(submit(id, kStart));
  Request* again = submit(1, 0);
  EXPECT_EQ(run(), (Rows{all[0], all[1]}));
  EXPECT_EQ(run(), (Rows{all[2], all[3]}));
  EXPECT_EQ(run(), (Rows{all[4], again}));
}

TEST_F(OldestTest, S27_PreferredSizesAndDelay) {
  ModelPlan plan = oldest_plan(4, 8);
  plan.sequence.preferred_batch_sizes = {3};
  plan.sequence.max_queue_delay_us = 100;
  make(plan);
  submit(1, kStart);
  submit(2, kStart);
  EXPECT_EQ(poll().wait_until_ns, 100 * kUs);
  submit(3, kStart);
  EXPECT_EQ(run().size(), 3u);
  submit(1, 0);
  clock_.advance_ns(100 * kUs);
  EXPECT_EQ(run().size(), 1u);
}

TEST_F(OldestTest, S27_CandidatesAreBounded) {
  make(oldest_plan(4, 2));
  Request* a = submit(1, kStart);
  Request* b = submit(2, kStart);
  Request* c = submit(3, kStart);
  EXPECT_EQ(run(), (Rows{a, b}));
  EXPECT_TRUE(start().empty());
  Request* end = submit(1, kEnd);
  EXPECT_EQ(run(), (Rows{end}));
  EXPECT_EQ(run(), (Rows{c}));
}

TEST_F(OldestTest, S23_WithoutCandidatesThereAreAsManySlotsAsRows) {
  make(oldest_plan(2, 0));
  for (std::uint64_t id = 1; id <= 3; ++id) submit(id, kStart);
  EXPECT_EQ(run().size(), 2u);
  EXPECT_TRUE(start().empty());
}

}  // namespace
}  // namespace penstock
