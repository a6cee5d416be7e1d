// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// End-to-end deadlines on a manual clock: what is late never runs, and is told so when it comes.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/served_model.h"
#include "support/engine_fixture.h"
#include "support/ensemble_plans.h"
#include "support/plans.h"
#include "support/sequence_plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::ensemble_plan;
using testing::Function;
using testing::Owner;

constexpr std::int64_t kMs = 1'000'000;
constexpr const char* kExpired =
    "[request id: <id_unknown>] the deadline expired before the request was executed";

std::shared_ptr<ServedModel> served(const ModelVersionRef& model) {
  return std::static_pointer_cast<ServedModel>(model);
}

class DeadlineTest : public ::testing::Test {
 protected:
  DeadlineTest() : engine_(options()), owner_(engine_) { clock_.advance_ns(1000 * kMs); }
  ~DeadlineTest() override {
    for (auto model = models_.rbegin(); model != models_.rend(); ++model) {
      engine_.retire(*model, INT64_C(10'000'000'000));
    }
    EXPECT_EQ(engine_.in_flight(), 0u);
  }
  EngineOptions options() {
    EngineOptions options;
    options.clock = &clock_;
    options.cache_bytes = 1 << 20;
    return options;
  }
  ModelVersionRef serve(ModelPlan plan, std::unique_ptr<NativeInstance> instance = nullptr) {
    const std::string name = plan.name;
    auto made = engine_.create(std::make_shared<ModelPlan>(std::move(plan)));
    EXPECT_TRUE(made.ok()) << made.status().message();
    models_.push_back(made.value());
    if (instance) made.value()->start(0, std::move(instance));
    engine_.publish(name, {made.value()}, {});
    return made.value();
  }
  Request* request(std::int64_t left_ms, float value = 1, const char* model = "m") {
    Request* r = owner_.request(model, value);
    r->deadline_ns = clock_.now_ns() + left_ms * kMs;
    return r;
  }
  // Submits; what is refused is released.
  Status submit(Request* r) {
    Status status = engine_.submit(*r);
    if (!status.ok()) engine_.release(r);
    return status;
  }
  // Takes and answers the next batch of the first model, which takes so long.
  std::size_t run(std::int64_t service_ms, std::uint32_t instance = 0) {
    Batch batch;
    EXPECT_TRUE(models_[0]->next(instance, batch));
    const std::size_t size = batch.size();
    clock_.advance_ns(service_ms * kMs);
    for (std::size_t i = 0; i < size; ++i) batch.answer(i);
    models_[0]->complete(instance, batch);
    return size;
  }
  void drop(int answers) {
    owner_.collect(answers, [](const Response&) {});
  }

  ManualClock clock_;
  Engine engine_;
  Owner owner_;
  std::vector<ModelVersionRef> models_;
};

// ---- what expires

TEST_F(DeadlineTest, MillisecondsCountFromTheFirstByteAndTheEarlierDeadlineHolds) {
  const auto model = serve(testing::pair_plan(8));
  struct Row {
    std::uint64_t ms;
    std::int64_t call_ms;  // from now on
    std::int64_t expected_ms;
  };
  for (const Row& row : {Row{100, 500, 80}, Row{100, 50, 50}, Row{Request::kNoDeadlineMs, 50, 50},
                         Row{UINT64_MAX - 1, 50, 50}, Row{INT64_MAX, 50, 50}}) {
    Request* r = request(row.call_ms);
    r->deadline_ms = row.ms;
    r->times.received = clock_.now_ns() - 20 * kMs;
    ASSERT_TRUE(submit(r).ok());
    EXPECT_EQ(r->deadline_ns - clock_.now_ns(), row.expected_ms * kMs) << row.ms;
    EXPECT_EQ(run(0), 1u);
    drop(1);
  }
}

TEST_F(DeadlineTest, WhatComesTooLateIsNotQueued) {
  const auto model = serve(testing::pair_plan(8));
  Request* r = owner_.request("m", 1);
  r->deadline_ms = 0;
  const Status status = submit(r);
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(status.message(), kExpired);
  EXPECT_EQ(model->statistics().late, 1u);
  EXPECT_EQ(model->statistics().fail.count, 0u);  // as what finds the queue full
}

class ExpiryTest : public DeadlineTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static ModelPlan plan() {
    const std::string kind = GetParam();
    if (kind == "default") return testing::pair_plan(8);
    ModelPlan plan = testing::dynamic_plan(8);
    QueuePolicy policy;
    policy.default_timeout_us = 1000;
    policy.timeout_action = TimeoutAction::kDelay;  // which is no excuse
    if (kind == "delayed") plan.dynamic.default_policy = policy;
    return plan;
  }
};

TEST_P(ExpiryTest, InTheQueue) {
  const auto model = serve(plan());
  ASSERT_TRUE(submit(request(10)).ok());
  ASSERT_TRUE(submit(request(100)).ok());
  clock_.advance_ns(10 * kMs);
  EXPECT_EQ(run(0), 1u);  // the other one
  owner_.collect(2, [](const Response& r) {
    if (r.status.ok()) return;
    EXPECT_EQ(r.status.code(), Code::kDeadlineExceeded);
    EXPECT_EQ(r.status.message(), kExpired);
  });
  const ModelStatistics stats = model->statistics();
  EXPECT_EQ(stats.success.count, 1u);
  EXPECT_EQ(stats.failures[static_cast<std::size_t>(FailureReason::kRejected)], 1u);
}
INSTANTIATE_TEST_SUITE_P(Schedulers, ExpiryTest, ::testing::Values("default", "dynamic", "delayed"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(DeadlineTest, AQueueTimeOutKeepsTritonsAnswer) {  // S-7
  ModelPlan plan = testing::dynamic_plan(1);
  plan.dynamic.default_policy.default_timeout_us = 5000;
  serve(std::move(plan));
  ASSERT_TRUE(submit(request(1000)).ok());
  clock_.advance_ns(5 * kMs);
  ASSERT_TRUE(submit(request(1000)).ok());
  EXPECT_EQ(run(0), 1u);
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kUnavailable);
    EXPECT_EQ(r.status.message(), "Request timeout expired");
  });
  drop(1);
}

TEST_F(DeadlineTest, OfASequenceInTheBacklog) {  // S-23
  ModelPlan plan = testing::pair_plan(0);
  plan.scheduler = SchedulerKind::kDirect;
  plan.inputs[0].dims = Shape{1, 2};
  serve(std::move(plan));
  const auto of_sequence = [&](std::uint64_t id, std::int64_t left_ms) {
    Request* r = request(left_ms);
    r->correlation_id = id;
    r->flags = kSequenceStart;
    return r;
  };
  ASSERT_TRUE(submit(of_sequence(1, 1000)).ok());
  ASSERT_TRUE(submit(of_sequence(2, 10)).ok());  // there is one slot
  clock_.advance_ns(10 * kMs);
  EXPECT_EQ(run(0), 1u);
  std::vector<Code> codes;
  owner_.collect(2, [&](const Response& r) {
    if (!r.status.ok()) codes.push_back(r.status.code());
  });
  EXPECT_EQ(codes, std::vector<Code>{Code::kDeadlineExceeded});
}

TEST_F(DeadlineTest, BetweenTheStepsOfAnEnsemble) {
  std::atomic<int> second_runs{0};
  ModelPlan first = testing::dynamic_plan(8);
  first.name = "a";
  serve(std::move(first), std::make_unique<Function>([this](Batch& batch) {
          clock_.advance_ns(50 * kMs);
          Doubler().execute(batch);
        }));
  ModelPlan second = testing::dynamic_plan(8);
  second.name = "b";
  serve(std::move(second), std::make_unique<Function>([&](Batch& batch) {
          ++second_runs;
          Doubler().execute(batch);
        }));
  serve(ensemble_plan({"OUT"}, {{"a", "IN", "MID"}, {"b", "MID", "OUT"}}));
  // Where time is the test's, so are the turns of an ensemble.
  std::jthread turns([ensemble = served(models_.back())](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!ensemble->turn_ensemble()) std::this_thread::yield();
    }
  });
  ASSERT_TRUE(submit(request(40, 1, "e")).ok());
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kDeadlineExceeded);
    EXPECT_EQ(r.status.message(), std::string("in ensemble 'e', ") + kExpired);
  });
  EXPECT_EQ(second_runs, 0);
  ASSERT_TRUE(submit(request(60, 1, "e")).ok());  // the steps have what is left of it
  owner_.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()) << r.status.message(); });
  EXPECT_EQ(second_runs, 1);
}

TEST_F(DeadlineTest, ARunningModelCanAsk) {
  serve(testing::pair_plan(8));
  ASSERT_TRUE(submit(request(10)).ok());
  Batch batch;
  ASSERT_TRUE(models_[0]->next(0, batch));
  EXPECT_FALSE(batch.request(0).given_up(clock_.now_ns()));
  clock_.advance_ns(10 * kMs);
  EXPECT_TRUE(batch.request(0).given_up(clock_.now_ns()));
  batch.answer(0);
  models_[0]->complete(0, batch);
  owner_.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });  // it did run
}

// ---- admission

class AdmissionTest : public DeadlineTest {
 protected:
  // Every execution so far took 10 ms.
  ModelVersionRef measured(ModelPlan plan) {
    const auto model = serve(std::move(plan));
    EXPECT_TRUE(submit(owner_.request("m", 1)).ok());
    EXPECT_EQ(run(10), 1u);
    drop(1);
    return model;
  }
  void fill(int requests) {
    for (int i = 0; i < requests; ++i) ASSERT_TRUE(submit(owner_.request("m", 1)).ok());
  }
};

TEST_F(AdmissionTest, RefusesWhatCannotBeInTime) {
  const auto model = measured(testing::pair_plan(8));
  fill(4);  // 40 ms, and half of what runs: 45; and 10 for its own
  const Status status = submit(request(54));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(),
            "[request id: <id_unknown>] the deadline cannot be met: the expected wait is 45 ms, "
            "the execution takes 10 ms, and 54 ms are left");
  EXPECT_EQ(status.retry_after_ns(), 1 * kMs);
  EXPECT_EQ(model->statistics().late, 1u);
  EXPECT_TRUE(submit(request(55)).ok());
  EXPECT_TRUE(submit(owner_.request("m", 1)).ok());  // without a deadline: as ever
  for (int i = 0; i < 6; ++i) EXPECT_EQ(run(1), 1u);
  drop(6);
}

TEST_F(AdmissionTest, NeverRefusesWhenTheModelIsIdle) {
  serve(testing::pair_plan(8));
  ASSERT_TRUE(submit(owner_.request("m", 1)).ok());
  EXPECT_EQ(run(60'000), 1u);  // a first call that took a minute
  drop(1);
  EXPECT_TRUE(submit(request(1)).ok());
  EXPECT_EQ(run(0), 1u);
  drop(1);
}

TEST_F(AdmissionTest, BatchesAndInstancesShareTheWork) {
  ModelPlan plan = testing::dynamic_plan(4);
  plan.instance_count = 2;
  measured(std::move(plan));
  fill(16);  // two rounds of two batches of four
  EXPECT_EQ(submit(request(34)).retry_after_ns(), 1 * kMs);
  EXPECT_TRUE(submit(request(35)).ok());
  for (int left = 17; left > 0;) left -= static_cast<int>(run(0));
  drop(17);
}

TEST_F(AdmissionTest, WhatIsMoreUrgentDoesNotWaitForTheRest) {  // S-1
  ModelPlan plan = testing::dynamic_plan(1);
  plan.dynamic.priority_levels = 2;
  plan.dynamic.default_priority_level = 2;
  plan.dynamic.level_policies.resize(2);
  measured(std::move(plan));
  fill(10);
  EXPECT_FALSE(submit(request(50)).ok());
  Request* urgent = request(50);
  urgent->priority = 1;
  EXPECT_TRUE(submit(urgent).ok());
  for (int i = 0; i < 11; ++i) EXPECT_EQ(run(0), 1u);
  drop(11);
}

TEST_F(AdmissionTest, WhatIsCachedIsAnsweredAtOnce) {
  ModelPlan plan = testing::pair_plan(8);
  plan.cached = true;
  const auto model = measured(std::move(plan));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(submit(owner_.request("m", 7)).ok());
  EXPECT_TRUE(submit(request(1, 1)).ok());
  owner_.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  EXPECT_EQ(model->statistics().cache_hit.count, 1u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(run(0), 1u);
  drop(4);
}

}  // namespace
}  // namespace penstock
