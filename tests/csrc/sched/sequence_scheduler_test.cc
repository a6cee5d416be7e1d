// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// What both sequence batchers do, each rule by its number in the contract (4.3).
#include "support/sequence_fixture.h"

namespace penstock {
namespace {

using testing::kEnd;
using testing::kStart;
using testing::kUs;
using testing::sequence_plan;

constexpr std::int64_t kIdle = 1'000'000 * kUs;  // the default

using SequenceSchedulerTest = testing::SequenceTest;

std::string must_start(const std::string& id) {
  return "[request id: <id_unknown>] inference request for sequence " + id +
         " to model 'm' must specify the START flag on the first request of the sequence";
}

TEST_F(SequenceSchedulerTest, C22_BatchSizeMustBeOne) {
  make(sequence_plan(SchedulerKind::kDirect, 4));
  Request* two = request(1, kStart);
  two->batch_size = 2;
  EXPECT_EQ(refusal(two),
            "[request id: <id_unknown>] inference request to model 'm' must specify batch-size 1 "
            "due to requirements of sequence batcher");
  Request* none = request(1, kStart);
  none->batch_size = 0;  // C-8 allows it elsewhere; a row cannot be of no rows
  EXPECT_NE(refusal(none), "");
  EXPECT_EQ(scheduler_->pending(), 0u);
}

TEST_F(SequenceSchedulerTest, S20_NeedsAnId) {
  make(sequence_plan(SchedulerKind::kOldest, 4));
  EXPECT_EQ(refusal(0, kStart),
            "[request id: <id_unknown>] inference request to model 'm' must specify a non-zero or "
            "non-empty correlation ID");
}

TEST_F(SequenceSchedulerTest, S20_NumbersAndTextsAreDistinct) {
  make(sequence_plan(SchedulerKind::kOldest, 4));
  submit(7, kStart);
  Request* text = request(0, 0);
  text->correlation_id_string = "7";
  EXPECT_EQ(refusal(text), must_start("7"));
  Request* started = request(0, kStart);
  started->correlation_id_string = "7";
  submit(started);
  EXPECT_EQ(start().size(), 2u);
}

TEST_F(SequenceSchedulerTest, S21_TheFirstMustStart) {
  make(sequence_plan(SchedulerKind::kDirect, 2));
  EXPECT_EQ(refusal(5, 0), must_start("5"));
  EXPECT_EQ(refusal(5, kEnd), must_start("5"));
  submit(5, kStart);
  submit(5, 0);
  submit(5, kEnd);
  EXPECT_EQ(refusal(5, 0), must_start("5"));  // its END is already known
}

TEST_F(SequenceSchedulerTest, S22_StartAmidASequenceGoesOnInItsPlace) {
  make(sequence_plan(SchedulerKind::kDirect, 2));
  Request* a = submit(1, kStart);
  submit(2, kStart);
  EXPECT_TRUE(notices_.empty());
  Request* again = submit(1, kStart);
  EXPECT_EQ(notices_, std::vector<std::string>{
                          "sequence 1 of model '" + plan_.name +
                          "' was started anew before it had ended: what it was is dropped"});
  Request* after = submit(1, 0);
  EXPECT_EQ(run()[0], a);  // what was queued before still runs
  EXPECT_EQ(run()[0], again);
  EXPECT_EQ(run()[0], after);
}

TEST_F(SequenceSchedulerTest, S23_TheLowestFreeSlotOverAllInstances) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  plan.instance_count = 2;
  make(plan);
  Request* a = submit(1, kStart);
  Request* b = submit(2, kStart);
  Request* c = submit(3, kStart);
  Request* d = submit(4, kStart);
  EXPECT_EQ(start(0), (std::vector<Request*>{a, c}));
  EXPECT_EQ(start(1), (std::vector<Request*>{b, d}));
}

TEST_F(SequenceSchedulerTest, S23_TheBacklogIsServedInOrderAndFollowedByItsOwn) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  submit(1, kStart);
  Request* b1 = submit(2, kStart);
  Request* c1 = submit(3, kStart | kEnd);
  Request* b2 = submit(2, kEnd);
  Request* a2 = submit(1, kEnd);
  EXPECT_EQ(run().size(), 1u);
  EXPECT_EQ(run(), (std::vector<Request*>{a2}));
  EXPECT_EQ(run(), (std::vector<Request*>{b1}));
  EXPECT_EQ(run(), (std::vector<Request*>{b2}));
  EXPECT_EQ(run(), (std::vector<Request*>{c1}));
  EXPECT_TRUE(start().empty());
  EXPECT_EQ(scheduler_->pending(), 0u);
}

TEST_F(SequenceSchedulerTest, S23_TheSameIdAfterItsEndIsAnotherSequence) {
  make(sequence_plan(SchedulerKind::kDirect, 2));
  Request* a = submit(1, kStart | kEnd);
  Request* b = submit(1, kStart | kEnd);
  EXPECT_EQ(start(), (std::vector<Request*>{a, b}));
}

TEST_F(SequenceSchedulerTest, S24_TheSmallestTimeoutEndsABackloggedSequence) {
  make(sequence_plan(SchedulerKind::kOldest, 1));
  submit(1, kStart);
  Request* b1 = request(2, kStart);
  b1->timeout_us = 500;
  submit(b1);
  clock_.advance_ns(100 * kUs);
  Request* b2 = request(2, 0);
  b2->timeout_us = 200;
  submit(b2);
  Request* b3 = submit(2, 0);
  EXPECT_EQ(scheduler_->sweep(clock_.now_ns()), 300 * kUs);
  clock_.advance_ns(200 * kUs);
  scheduler_->sweep(clock_.now_ns());
  EXPECT_EQ(rejected_, (std::vector<Request*>{b1, b2, b3}));
  for (Request* r : rejected_) {
    EXPECT_EQ(r->response.status.code(), Code::kUnavailable);
    EXPECT_EQ(r->response.status.message(),
              "timeout of the corresponding sequence has been expired");
  }
  EXPECT_EQ(reasons_[0], FailureReason::kRejected);  // M-2
  EXPECT_EQ(refusal(2, 0), must_start("2"));
}

TEST_F(SequenceSchedulerTest, S24_OneThatHasASlotDoesNotTimeOut) {
  make(sequence_plan(SchedulerKind::kOldest, 1));
  Request* a = request(1, kStart);
  a->timeout_us = 100;
  submit(a);
  clock_.advance_ns(200 * kUs);
  EXPECT_EQ(start(), (std::vector<Request*>{a}));
}

TEST_F(SequenceSchedulerTest, S24_AnExpiredOneIsNotSeatedEvenWithoutASweep) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  Request* a = submit(1, kStart | kEnd);
  EXPECT_EQ(start(), (std::vector<Request*>{a}));
  Request* late = request(2, kStart);
  late->timeout_us = 100;
  submit(late);
  Request* c = submit(3, kStart);
  clock_.advance_ns(100 * kUs);
  finish();
  EXPECT_EQ(rejected_, (std::vector<Request*>{late}));
  EXPECT_EQ(start(), (std::vector<Request*>{c}));
}

TEST_F(SequenceSchedulerTest, S25_AnIdleSequenceLosesItsSlotSilently) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  submit(1, kStart);
  run();
  Request* waiting = submit(2, kStart);
  clock_.advance_ns(kIdle - 1);
  EXPECT_TRUE(start().empty());
  clock_.advance_ns(1);
  EXPECT_EQ(start(), (std::vector<Request*>{waiting}));
  EXPECT_TRUE(rejected_.empty());
  EXPECT_EQ(refusal(1, 0), must_start("1"));
}

TEST_F(SequenceSchedulerTest, S25_IdleTimeCountsFromTheLastRequest) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  submit(1, kStart);
  clock_.advance_ns(kIdle - 1);
  submit(1, 0);
  clock_.advance_ns(kIdle - 1);
  submit(1, 0);
  clock_.advance_ns(kIdle);
  EXPECT_EQ(refusal(1, 0), must_start("1"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run().size(), 1u);  // what came in time still runs
}

TEST_F(SequenceSchedulerTest, S25_TheSweepKnowsWhenTheNextGrowsIdle) {
  make(sequence_plan(SchedulerKind::kOldest, 4));
  EXPECT_EQ(scheduler_->sweep(clock_.now_ns()), kNoDeadline);
  Request* a = request(1, kStart);
  std::int64_t expires = 0;
  ASSERT_TRUE(scheduler_->submit(*a, &expires).ok());
  EXPECT_EQ(expires, kIdle);
  EXPECT_EQ(scheduler_->sweep(clock_.now_ns()), kIdle);
  run();
  clock_.advance_ns(kIdle);
  EXPECT_EQ(scheduler_->sweep(clock_.now_ns()), kNoDeadline);
}

TEST_F(SequenceSchedulerTest, S25_TheBacklogDoesNotGrowIdle) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  submit(1, kStart);
  Request* b1 = submit(2, kStart);
  run();
  for (int i = 0; i < 3; ++i) {
    clock_.advance_ns(kIdle / 2);
    Request* more = request(1, 0);
    submit(more);
    run();
  }
  clock_.advance_ns(kIdle);
  EXPECT_EQ(run(), (std::vector<Request*>{b1}));
  Request* b2 = submit(2, 0);  // the time in the backlog was not idle time
  EXPECT_EQ(run(), (std::vector<Request*>{b2}));
}

TEST_F(SequenceSchedulerTest, S29_CancellingOneCancelsAllThatWait) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  Request* a1 = submit(1, kStart);
  start();
  Request* a2 = submit(1, 0);
  Request* a3 = submit(1, 0);
  Request* b = submit(2, kStart);
  cancel(a3);
  scheduler_->sweep(clock_.now_ns());
  EXPECT_EQ(rejected_, (std::vector<Request*>{a2, a3}));
  for (Request* r : rejected_) {
    EXPECT_EQ(r->response.status.code(), Code::kCancelled);
    EXPECT_EQ(r->response.status.message(), "");
  }
  EXPECT_EQ(reasons_[0], FailureReason::kCanceled);
  EXPECT_EQ(a1->state(), RequestState::kExecuting);  // that is the model's business
  EXPECT_EQ(refusal(1, 0), must_start("1"));
  finish();
  EXPECT_EQ(run(), (std::vector<Request*>{b}));  // the slot is free
}

TEST_F(SequenceSchedulerTest, S29_ACancelledOneNeverRunsEvenWithoutASweep) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  Request* a = submit(1, kStart);
  Request* b = submit(2, kStart);
  Request* c = submit(3, kStart);
  cancel(a);
  cancel(b);
  EXPECT_EQ(start(), (std::vector<Request*>{c}));
  EXPECT_EQ(rejected_, (std::vector<Request*>{a, b}));
}

TEST_F(SequenceSchedulerTest, S29_ACancelledSequenceTakesNoMore) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  Request* a = submit(1, kStart);
  cancel(a);
  EXPECT_EQ(refusal(1, 0), must_start("1"));  // though nobody has looked yet
  EXPECT_EQ(rejected_, (std::vector<Request*>{a}));
}

TEST_F(SequenceSchedulerTest, DeadlineBreaksTheSequenceOff) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  submit(1, kStart);
  start();
  Request* late = request(1, 0);
  late->deadline_ns = 100 * kUs;
  submit(late);
  Request* after = submit(1, 0);
  clock_.advance_ns(100 * kUs);
  finish();
  EXPECT_TRUE(start().empty());
  EXPECT_EQ(rejected_, (std::vector<Request*>{late, after}));
  EXPECT_EQ(late->response.status.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(after->response.status.message(),
            "timeout of the corresponding sequence has been expired");
}

TEST_F(SequenceSchedulerTest, S31_ARequestWithoutAnIdIsItsOwnSequence) {
  ModelPlan plan = sequence_plan(SchedulerKind::kOldest, 4);
  plan.sequence.iterative = true;
  make(plan);
  Request* a = submit(0, 0);
  Request* b = submit(0, 0);
  Request* client = submit(1, kStart);
  EXPECT_EQ(a->flags, kStart);
  EXPECT_NE(a->correlation_id, b->correlation_id);
  EXPECT_EQ(start(), (std::vector<Request*>{a, b, client}));
}

TEST_F(SequenceSchedulerTest, S31_ARescheduledRequestRunsAgainBeforeItsFollowers) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  plan.sequence.iterative = true;
  testing::add_all_controls(plan);
  make(plan);
  Request* a = submit(1, kStart);
  Request* b = submit(1, kEnd);
  EXPECT_EQ(start(), (std::vector<Request*>{a}));
  EXPECT_EQ(values<std::int32_t>("START"), std::vector<std::int32_t>{1});
  ASSERT_TRUE(batch().reschedule(0).ok());
  EXPECT_TRUE(batch().requests().empty());  // nothing to answer
  finish();
  EXPECT_EQ(scheduler_->pending(), 2u);
  EXPECT_EQ(start(), (std::vector<Request*>{a}));
  EXPECT_EQ(values<std::int32_t>("START"), std::vector<std::int32_t>{0});
  finish();
  EXPECT_EQ(run(), (std::vector<Request*>{b}));
}

TEST_F(SequenceSchedulerTest, S31_AnOwnSequenceEndsWithItsLastStep) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  plan.sequence.iterative = true;
  make(plan);
  Request* a = submit(0, 0);
  Request* b = submit(0, 0);
  for (int step = 0; step < 3; ++step) {
    clock_.advance_ns(kIdle);
    EXPECT_EQ(start(), (std::vector<Request*>{a}));
    if (step < 2) {
      ASSERT_TRUE(batch().reschedule(0).ok());
    }
    finish();
  }
  EXPECT_EQ(run(), (std::vector<Request*>{b}));
}

TEST_F(SequenceSchedulerTest, S31_OnlyIterativeModelsReschedule) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  submit(1, kStart);
  start();
  const Status status = batch().reschedule(0);
  EXPECT_EQ(status.code(), Code::kInvalidArg);
  EXPECT_EQ(status.message(),
            "[request id: <id_unknown>] Request is released with "
            "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not configured to handle "
            "such a flag.");
}

TEST_F(SequenceSchedulerTest, S32_TheIdMustBeOfTheControlsType) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  testing::add_control(plan, "ID", DataType::kInt32,
                       testing::control(ControlKind::kCorrelationId, 0, 0));
  make(plan);
  Request* text = request(0, kStart);
  text->correlation_id_string = "abc";
  EXPECT_EQ(refusal(text),
            "[request id: <id_unknown>] sequence batching control 'ID' data-type is 'BYTES', but "
            "model 'm' expects 'INT32'");
  plan.inputs.back().type = DataType::kBytes;
  make(plan);
  EXPECT_EQ(refusal(3, kStart),
            "[request id: <id_unknown>] sequence batching control 'ID' data-type is 'UINT64', but "
            "model 'm' expects 'BYTES'");
}

TEST_F(SequenceSchedulerTest, AFullQueueIsAnAnswer) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  plan.queue_capacity = 2;
  make(plan);
  submit(1, kStart);
  submit(2, kStart);
  EXPECT_EQ(refusal(request(3, kStart), Code::kUnavailable),
            "[request id: <id_unknown>] Exceeds maximum queue size");
}

TEST_F(SequenceSchedulerTest, StopServesWhatIsQueuedAndAbortTurnsItAway) {
  make(sequence_plan(SchedulerKind::kDirect, 1));
  Request* a = submit(1, kStart);
  Request* b = submit(2, kStart);
  scheduler_->stop();
  EXPECT_NE(refusal(request(1, 0), Code::kUnavailable).find("Server is stopping"),
            std::string::npos);
  EXPECT_EQ(run(), (std::vector<Request*>{a}));
  scheduler_->abort();
  EXPECT_EQ(rejected_, (std::vector<Request*>{b}));
  EXPECT_NE(b->response.status.message().find("Server is stopping"), std::string::npos);
  EXPECT_EQ(poll().kind, PollKind::kStopped);
}

}  // namespace
}  // namespace penstock
