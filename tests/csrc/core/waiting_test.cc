// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// What is answered while every instance is busy: expired and cancelled requests.
#include <gtest/gtest.h>

#include <memory>
#include <semaphore>

#include "core/reaper.h"
#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Gate;
using testing::Owner;

class WaitingTest : public ::testing::TestWithParam<SchedulerKind> {
 protected:
  WaitingTest() : engine_(EngineOptions{}), owner_(engine_) {}
  ~WaitingTest() override {
    go_.release();
    owner_.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
    engine_.retire(model_, INT64_C(10'000'000'000));
    EXPECT_EQ(engine_.in_flight(), 0u);
  }

  // A model whose one instance is executing, and goes on at the end of the test.
  void serve(QueuePolicy policy = {}) {
    ModelPlan plan = testing::pair_plan(8);
    plan.scheduler = GetParam();
    plan.dynamic.default_policy = policy;
    model_ = engine_.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    model_->start(0, std::make_unique<Gate>(entered_, go_));
    engine_.publish("m", {model_}, {});
    ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
    entered_.acquire();
  }

  Engine engine_;
  Owner owner_;
  ModelVersionRef model_;
  std::binary_semaphore entered_{0};
  std::counting_semaphore<> go_{0};
};

TEST_P(WaitingTest, DeadlinesAreKept) {
  serve();
  Request* late = owner_.request("m", 2);
  late->deadline_ns = engine_.clock().now_ns() + 50'000'000;
  ASSERT_TRUE(engine_.submit(*late).ok());
  owner_.collect(1, [&](const Response& r) {
    EXPECT_EQ(r.request, late);
    EXPECT_EQ(r.status.code(), Code::kDeadlineExceeded);
    EXPECT_GE(r.request->times.completed, late->deadline_ns);
  });
  EXPECT_EQ(model_->statistics().failures[static_cast<int>(FailureReason::kRejected)], 1u);
}

TEST_P(WaitingTest, QueueTimeoutsAreKept) {  // S-7
  QueuePolicy policy;
  policy.default_timeout_us = 3'600'000'000;  // the first request must not expire
  policy.allow_timeout_override = true;
  serve(policy);
  Request* late = owner_.request("m", 2);
  late->timeout_us = 1000;
  ASSERT_TRUE(engine_.submit(*late).ok());
  owner_.collect(1, [&](const Response& r) {
    EXPECT_EQ(r.request, late);
    EXPECT_EQ(r.status.message(), "Request timeout expired");
  });
}

TEST_P(WaitingTest, CancelledRequestsLeaveTheQueue) {  // S-8
  serve();
  Request* gone = owner_.request("m", 2);
  ASSERT_TRUE(engine_.submit(*gone).ok());
  ASSERT_TRUE(engine_.cancel(gone->handle()));
  owner_.collect(1, [&](const Response& r) {
    EXPECT_EQ(r.request, gone);
    EXPECT_EQ(r.status.code(), Code::kCancelled);
  });
  EXPECT_EQ(model_->statistics().pending, 0u);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, WaitingTest,
                         ::testing::Values(SchedulerKind::kDefault, SchedulerKind::kDynamic),
                         [](const auto& info) {
                           return info.param == SchedulerKind::kDefault ? "Default" : "Dynamic";
                         });

// Says how often it was swept, and when it wants to be next.
class Swept final : public Sweepable {
 public:
  explicit Swept(std::int64_t next) : next_(next) {}
  std::int64_t sweep(std::int64_t now_ns) override {
    seen_ns = now_ns;
    done.release();
    return std::exchange(next_, kNoDeadline);
  }
  std::counting_semaphore<> done{0};
  std::atomic<std::int64_t> seen_ns{0};

 private:
  std::int64_t next_;
};

TEST(ReaperTest, ComesWhenItIsTimeAndWhenItWasAskedTo) {
  const RealClock clock;
  Reaper reaper(clock);
  const std::int64_t second = clock.now_ns() + 5'000'000;
  auto model = std::make_shared<Swept>(second);
  reaper.watch(model);
  reaper.expect(clock.now_ns() + INT64_C(3'600'000'000'000));
  reaper.expect(clock.now_ns());  // earlier than what it sleeps for
  model->done.acquire();
  model->done.acquire();  // by itself
  EXPECT_GE(model->seen_ns, second);
  reaper.hurry();
  model->done.acquire();
}

TEST(ReaperTest, ModelsMayGoAtAnyTime) {
  const RealClock clock;
  Reaper reaper(clock);
  auto stays = std::make_shared<Swept>(kNoDeadline);
  for (int i = 0; i < 100; ++i) reaper.watch(std::make_shared<Swept>(kNoDeadline));
  reaper.watch(stays);
  reaper.hurry();
  stays->done.acquire();
}

}  // namespace
}  // namespace penstock
