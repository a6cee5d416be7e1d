// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Schedulers on a manual clock: no threads but where the test is about them, and no sleeps.
#include "sched/scheduler.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

constexpr std::int64_t kUs = 1000;

struct Rejected {
  Request* request;
  Status status;
  FailureReason reason;
};

class Sink final : public RejectSink {
 public:
  void reject(Request* request, Status status, FailureReason reason) override {
    request->set_state(RequestState::kDone);
    rejected.push_back({request, std::move(status), reason});
  }
  std::vector<Rejected> rejected;
};

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() : pool_(make_page_allocator(), {}), slots_(256) {}
  ~SchedulerTest() override {
    for (auto* request : requests_) {
      const RequestState state = request->state();
      if (state == RequestState::kQueued || state == RequestState::kBatched) {
        request->set_state(RequestState::kDone);
      }
    }
    scheduler_.reset();
    for (auto* request : requests_) slots_.release(request);
  }

  void make(ModelPlan plan) {
    plan_ = std::move(plan);
    scheduler_ = make_scheduler(plan_, clock_, sink_);
  }
  Request* request(std::int64_t rows = 1) {
    Request* r = slots_.acquire();
    RequestTestPeer::bind(*r, plan_);
    testing::add_input<float>(*r, pool_, "IN", DataType::kFp32, Shape{rows, 2},
                              std::vector<float>(static_cast<std::size_t>(rows) * 2));
    r->batch_size = rows;
    requests_.push_back(r);
    return r;
  }
  Request* submit(std::int64_t rows = 1) {
    Request* r = request(rows);
    EXPECT_TRUE(scheduler_->submit(*r).ok());
    return r;
  }
  Request* submit_at(std::uint64_t priority) {
    Request* r = request(1);
    r->priority = priority;
    EXPECT_TRUE(scheduler_->submit(*r).ok());
    return r;
  }
  // The default level is 2.
  static ModelPlan levels_plan(std::int64_t max_batch_size, std::uint32_t levels) {
    ModelPlan plan = testing::dynamic_plan(max_batch_size);
    plan.dynamic.priority_levels = levels;
    plan.dynamic.default_priority_level = 2;
    plan.dynamic.level_policies.resize(levels);
    return plan;
  }
  Poll poll() {
    batch_.clear();
    batch_.begin(plan_, pool_, clock_);
    return scheduler_->poll(0, clock_.now_ns(), batch_);
  }
  void expect_batch(const std::vector<Request*>& expected) {
    ASSERT_EQ(poll().kind, PollKind::kBatch);
    EXPECT_EQ(std::vector<Request*>(batch_.requests().begin(), batch_.requests().end()), expected);
  }

  ManualClock clock_;
  Sink sink_;
  BufferPool pool_;
  RequestPool slots_;
  ModelPlan plan_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Request*> requests_;
  Batch batch_;
};

TEST_F(SchedulerTest, DefaultNeverMerges) {  // contract 4.1
  make(testing::pair_plan(8));
  Request* a = submit();
  Request* b = submit();
  EXPECT_EQ(scheduler_->pending(), 2u);
  expect_batch({a});
  expect_batch({b});
  EXPECT_EQ(poll().kind, PollKind::kWait);
  EXPECT_EQ(scheduler_->pending(), 0u);
}

TEST_F(SchedulerTest, DynamicMergesWhatWaits) {  // S-3
  make(testing::dynamic_plan(4));
  std::vector<Request*> all;
  for (int i = 0; i < 6; ++i) all.push_back(submit());
  expect_batch({all[0], all[1], all[2], all[3]});
  expect_batch({all[4], all[5]});
}

TEST_F(SchedulerTest, DynamicWaitsForTheDelayOfTheOldest) {  // S-2
  ModelPlan plan = testing::dynamic_plan(4);
  plan.dynamic.max_queue_delay_us = 100;
  make(plan);
  Request* a = submit();
  clock_.advance_ns(40 * kUs);
  Request* b = submit();
  const Poll waiting = poll();
  EXPECT_EQ(waiting.kind, PollKind::kWait);
  EXPECT_EQ(waiting.wait_until_ns, 100 * kUs);
  clock_.advance_ns(60 * kUs);
  expect_batch({a, b});
}

TEST_F(SchedulerTest, DynamicNeverReordersToFindAMatch) {
  ModelPlan plan = testing::dynamic_plan(8);
  plan.inputs[0].dims = Shape{-1};
  make(plan);
  Request* a = submit();
  Request* odd = request();
  odd->inputs[0].view.shape = Shape{1, 3};
  ASSERT_TRUE(scheduler_->submit(*odd).ok());
  Request* c = submit();
  expect_batch({a});
  expect_batch({odd});
  expect_batch({c});
}

TEST_F(SchedulerTest, FullQueueIsAnAnswer) {  // S-7
  ModelPlan plan = testing::dynamic_plan(4);
  plan.dynamic.default_policy.max_queue_size = 2;
  make(plan);
  submit();
  submit();
  Request* third = request();
  third->id = "3";
  const Status status = scheduler_->submit(*third);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "[request id: 3] Exceeds maximum queue size");
  EXPECT_EQ(third->state(), RequestState::kFilling);
  EXPECT_EQ(poll().kind, PollKind::kBatch);
  EXPECT_TRUE(scheduler_->submit(*third).ok());
}

TEST_F(SchedulerTest, QueueIsBoundedWithoutAPolicyToo) {
  for (auto plan : {testing::pair_plan(1), testing::dynamic_plan(4)}) {
    plan.queue_capacity = 3;  // not a power of two: the bound is exact all the same
    make(plan);
    for (int i = 0; i < 3; ++i) submit();
    EXPECT_FALSE(scheduler_->submit(*request()).ok());
    while (poll().kind == PollKind::kBatch) {
    }
  }
}

TEST_F(SchedulerTest, ExpiredRequestsAreRejected) {  // S-7 REJECT
  ModelPlan plan = testing::dynamic_plan(4);
  plan.dynamic.max_queue_delay_us = 1000;
  plan.dynamic.default_policy.default_timeout_us = 50;
  make(plan);
  Request* a = submit();
  EXPECT_EQ(poll().wait_until_ns, 50 * kUs);
  clock_.advance_ns(50 * kUs);
  EXPECT_EQ(poll().kind, PollKind::kWait);
  ASSERT_EQ(sink_.rejected.size(), 1u);
  EXPECT_EQ(sink_.rejected[0].request, a);
  EXPECT_EQ(sink_.rejected[0].status.message(), "Request timeout expired");
  EXPECT_EQ(sink_.rejected[0].status.code(), Code::kUnavailable);
  EXPECT_EQ(sink_.rejected[0].reason, FailureReason::kRejected);
  EXPECT_EQ(scheduler_->pending(), 0u);
}

TEST_F(SchedulerTest, OverrideOnlyLowersADefault) {
  ModelPlan plan = testing::dynamic_plan(4);
  plan.dynamic.default_policy.allow_timeout_override = true;
  make(plan);
  Request* no_default = request();
  no_default->timeout_us = 10;
  ASSERT_TRUE(scheduler_->submit(*no_default).ok());
  clock_.advance_ns(20 * kUs);
  expect_batch({no_default});

  plan.dynamic.default_policy.default_timeout_us = 100;
  make(plan);
  Request* lower = request();
  lower->timeout_us = 10;
  Request* higher = request();
  higher->timeout_us = 1000;
  ASSERT_TRUE(scheduler_->submit(*lower).ok());
  ASSERT_TRUE(scheduler_->submit(*higher).ok());
  clock_.advance_ns(10 * kUs);
  expect_batch({higher});
  ASSERT_EQ(sink_.rejected.size(), 1u);
  EXPECT_EQ(sink_.rejected[0].request, lower);
}

TEST_F(SchedulerTest, DelayedRequestsAreServedAfterTheOthers) {  // S-7 DELAY
  ModelPlan plan = testing::dynamic_plan(4);
  plan.dynamic.default_policy.default_timeout_us = 50;
  plan.dynamic.default_policy.timeout_action = TimeoutAction::kDelay;
  make(plan);
  Request* late = submit();
  clock_.advance_ns(60 * kUs);
  Request* fresh = submit();
  expect_batch({fresh, late});
  EXPECT_TRUE(sink_.rejected.empty());
}

TEST_F(SchedulerTest, CancelledRequestsNeverRun) {  // S-8
  for (auto plan : {testing::pair_plan(8), testing::dynamic_plan(8)}) {
    make(plan);
    sink_.rejected.clear();
    Request* a = submit();
    Request* b = submit();
    ASSERT_TRUE(slots_.cancel(a->handle()));
    expect_batch({b});
    ASSERT_EQ(sink_.rejected.size(), 1u);
    EXPECT_EQ(sink_.rejected[0].status.code(), Code::kCancelled);
    EXPECT_EQ(sink_.rejected[0].status.message(), "");
    EXPECT_EQ(sink_.rejected[0].reason, FailureReason::kCanceled);
  }
}

TEST_F(SchedulerTest, DeadlinesHoldForEveryScheduler) {
  for (auto plan : {testing::pair_plan(8), testing::dynamic_plan(8)}) {
    make(plan);
    Request* a = request();
    a->deadline_ns = clock_.now_ns() + 10;
    ASSERT_TRUE(scheduler_->submit(*a).ok());
    clock_.advance_ns(10);
    EXPECT_EQ(poll().kind, PollKind::kWait);
    EXPECT_EQ(a->state(), RequestState::kDone);
  }
}

TEST_F(SchedulerTest, UrgentLevelsAreServedFirst) {  // S-1
  make(levels_plan(4, 3));
  Request* low = submit_at(3);
  Request* unknown = submit_at(9);  // the default level, 2
  Request* none = submit_at(0);
  Request* high = submit_at(1);
  expect_batch({high, unknown, none, low});
}

TEST_F(SchedulerTest, LevelsHaveTheirOwnPolicies) {  // S-7
  ModelPlan plan = levels_plan(8, 2);
  plan.dynamic.level_policies[1].max_queue_size = 1;
  plan.dynamic.level_policies[1].default_timeout_us = 50;
  make(plan);
  Request* low = submit_at(2);
  Request* refused = request();
  refused->priority = 2;
  EXPECT_EQ(scheduler_->submit(*refused).code(), Code::kUnavailable);
  Request* high = submit_at(1);
  clock_.advance_ns(50 * kUs);
  expect_batch({high});
  ASSERT_EQ(sink_.rejected.size(), 1u);
  EXPECT_EQ(sink_.rejected[0].request, low);
  (void)submit_at(2);  // there is room again
}

TEST_F(SchedulerTest, DelayedOnesGoBeforeLessUrgentOnes) {  // S-7 DELAY is within a level
  ModelPlan plan = levels_plan(8, 2);
  plan.dynamic.level_policies[0].default_timeout_us = 50;
  plan.dynamic.level_policies[0].timeout_action = TimeoutAction::kDelay;
  make(plan);
  Request* late = submit_at(1);
  clock_.advance_ns(60 * kUs);
  Request* low = submit_at(2);
  Request* fresh = submit_at(1);
  expect_batch({fresh, late, low});
}

TEST_F(SchedulerTest, SweepNeedsNoIdleInstance) {
  for (auto plan : {testing::pair_plan(8), testing::dynamic_plan(8)}) {
    make(plan);
    sink_.rejected.clear();
    Request* stays = submit();
    Request* late = request();
    late->deadline_ns = clock_.now_ns() + 10;
    std::int64_t expires = 0;
    ASSERT_TRUE(scheduler_->submit(*late, &expires).ok());
    EXPECT_EQ(expires, late->deadline_ns);
    EXPECT_EQ(scheduler_->sweep(clock_.now_ns()), late->deadline_ns);
    Request* behind = submit();
    clock_.advance_ns(10);
    EXPECT_EQ(scheduler_->sweep(clock_.now_ns()), kNoDeadline);
    ASSERT_EQ(sink_.rejected.size(), 1u);
    EXPECT_EQ(sink_.rejected[0].request, late);
    ASSERT_EQ(poll().kind, PollKind::kBatch);
    EXPECT_EQ(&batch_.request(0), stays);
    if (batch_.size() == 1) expect_batch({behind});
    EXPECT_EQ(scheduler_->pending(), 0u);
  }
}

TEST_F(SchedulerTest, StopServesWhatIsQueuedThenEnds) {  // S-STOP
  for (auto plan : {testing::pair_plan(8), testing::dynamic_plan(8)}) {
    make(plan);
    Request* a = submit();
    scheduler_->stop();
    const Status status = scheduler_->submit(*request());
    EXPECT_EQ(status.message(),
              "[request id: <id_unknown>] Server is stopping, scheduler for model has stopped "
              "accepting new inference requests");
    expect_batch({a});
    EXPECT_EQ(poll().kind, PollKind::kStopped);
  }
}

TEST_F(SchedulerTest, AbortTurnsAwayWhatIsQueued) {
  make(testing::dynamic_plan(8));
  submit();
  submit();
  scheduler_->abort();
  EXPECT_EQ(poll().kind, PollKind::kStopped);
  EXPECT_EQ(sink_.rejected.size(), 2u);
}

TEST_F(SchedulerTest, AbortNeedsNoInstance) {
  for (auto plan : {testing::pair_plan(8), testing::dynamic_plan(1)}) {
    plan.dynamic.default_policy.default_timeout_us = 50;
    plan.dynamic.default_policy.timeout_action = TimeoutAction::kDelay;
    plan.dynamic.preserve_ordering = true;
    make(plan);
    sink_.rejected.clear();
    submit();
    expect_batch({requests_.back()});
    for (int i = 0; i < 5; ++i) submit();
    clock_.advance_ns(50 * kUs);
    scheduler_->abort();
    EXPECT_EQ(sink_.rejected.size(), 5u);
    EXPECT_EQ(scheduler_->pending(), 0u);
  }
}

TEST_F(SchedulerTest, WhatMovesUpBehindTheExpiredIsLookedAtToo) {
  ModelPlan plan = testing::dynamic_plan(1);
  plan.dynamic.default_policy.default_timeout_us = 50;
  make(plan);
  for (int i = 0; i < 5; ++i) submit();
  clock_.advance_ns(50 * kUs);
  Request* fresh = submit();
  expect_batch({fresh});
  EXPECT_EQ(sink_.rejected.size(), 5u);
}

// A refused submit is counted for a moment. An instance that looks just then must not wait for
// ever.
TEST_F(SchedulerTest, StopStrandsNobodyBesideRefusedSubmits) {
  ModelPlan plan = testing::pair_plan(1);
  plan.queue_capacity = 1;
  for (int round = 0; round < 200; ++round) {
    make(plan);
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      Batch batch;
      batch.begin(plan_, pool_, clock_);
      while (scheduler_->next(0, batch)) {
        batch.request(0).set_state(RequestState::kDone);
        batch.clear();
      }
    });
    std::array<Request*, 3> mine{};
    std::atomic<int> started{0};
    for (Request*& r : mine) {
      r = slots_.acquire();
      RequestTestPeer::bind(*r, plan_);
      threads.emplace_back([&, r] {
        ++started;
        while (!scheduler_->submit(*r).ok() && started.load() <= 3) {
        }
      });
    }
    while (started.load() < 3) std::this_thread::yield();
    scheduler_->stop();
    ++started;
    for (auto& thread : threads) thread.join();
    for (Request* r : mine) slots_.release(r);
  }
}

TEST_F(SchedulerTest, StopWakesEverySleepingInstance) {
  for (auto plan : {testing::pair_plan(8), testing::dynamic_plan(8)}) {
    make(plan);
    std::vector<std::thread> instances;
    for (int i = 0; i < 3; ++i) {
      instances.emplace_back([&] {
        Batch batch;
        batch.begin(plan_, pool_, clock_);
        EXPECT_FALSE(scheduler_->next(0, batch));
      });
    }
    scheduler_->stop();
    for (auto& thread : instances) thread.join();
  }
}

}  // namespace
}  // namespace penstock
