// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/engine.h"

#include <gtest/gtest.h>

#include <semaphore>
#include <thread>

#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::first_value;
using testing::Gate;
using testing::Mute;
using testing::Owner;
using testing::Thrower;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : engine_(EngineOptions{}), owner_(engine_) {}

  ModelVersionRef add(ModelPlan plan, std::unique_ptr<NativeInstance> instance) {
    auto model = engine_.create(std::make_shared<ModelPlan>(std::move(plan)));
    EXPECT_TRUE(model.ok());
    model.value()->start(0, std::move(instance));
    return model.value();
  }
  std::string bind_error(const char* name, std::int64_t version, Code code) {
    EXPECT_EQ(owner_.request(name, 0, version), nullptr);
    EXPECT_EQ(owner_.status.code(), code);
    return owner_.status.message();
  }

  Engine engine_;
  Owner owner_;
};

TEST_F(EngineTest, ServesARequest) {
  auto model = add(testing::pair_plan(8), std::make_unique<Doubler>());
  engine_.publish("m", {model}, {});
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 3)).ok());
  owner_.collect(1, [](const Response& r) {
    ASSERT_TRUE(r.status.ok()) << r.status.message();
    EXPECT_EQ(first_value(r), 6);
    const StageTimes& t = r.request->times;
    EXPECT_LE(t.queued, t.batched);
    EXPECT_LE(t.batched, t.exec_start);
    EXPECT_LE(t.exec_start, t.exec_end);
    EXPECT_LE(t.exec_end, t.completed);
  });
  engine_.retire(model, INT64_C(1'000'000'000));
  EXPECT_EQ(engine_.in_flight(), 0u);
  EXPECT_EQ(engine_.pool().stats().in_use_bytes, 0u);
}

TEST_F(EngineTest, UnknownModelTexts) {  // H-23
  ModelPlan plan = testing::pair_plan(8);
  plan.version = 2;
  auto model = add(std::move(plan), std::make_unique<Doubler>());
  engine_.publish("m", {model}, {3});
  engine_.publish("none", {}, {1});
  EXPECT_EQ(bind_error("x", -1, Code::kInvalidArg), "Request for unknown model: 'x' is not found");
  EXPECT_EQ(bind_error("m", 1, Code::kNotFound),
            "Request for unknown model: 'm' version 1 is not found");
  EXPECT_EQ(bind_error("none", -1, Code::kNotFound),
            "Request for unknown model: 'none' has no available versions");
  EXPECT_EQ(bind_error("m", 3, Code::kUnavailable),
            "Request for unknown model: 'm' version 3 is not at ready state");
  engine_.forget("m");
  EXPECT_EQ(bind_error("m", 2, Code::kInvalidArg), "Request for unknown model: 'm' is not found");
}

TEST_F(EngineTest, LatestVersionAndSwitch) {
  ModelPlan second = testing::pair_plan(8);
  second.version = 2;
  auto one = add(testing::pair_plan(8), std::make_unique<Doubler>());
  auto two = add(std::move(second), std::make_unique<Doubler>());
  engine_.publish("m", {one, two}, {});
  Request* latest = owner_.request("m", 0);
  EXPECT_EQ(latest->plan().version, 2);
  engine_.release(latest);
  engine_.publish("m", {one}, {});
  engine_.retire(two, INT64_C(1'000'000'000));
  latest = owner_.request("m", 0);
  EXPECT_EQ(latest->plan().version, 1);
  engine_.release(latest);
}

TEST_F(EngineTest, StatisticsCountWhatHappened) {  // contract 1.11
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{0};
  auto model = add(testing::dynamic_plan(8), std::make_unique<Gate>(entered, go));
  engine_.publish("m", {model}, {});
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
  entered.acquire();  // the first is executing alone; three more wait and make one batch
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
  EXPECT_EQ(model->statistics().pending, 3u);
  go.release();
  entered.acquire();
  go.release();
  owner_.collect(4, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  const ModelStatistics stats = model->statistics();
  EXPECT_EQ(stats.inference_count, 4u);
  EXPECT_EQ(stats.execution_count, 2u);
  EXPECT_EQ(stats.success.count, 4u);
  EXPECT_EQ(stats.queue.count, 4u);
  EXPECT_EQ(stats.fail.count, 0u);
  EXPECT_EQ(stats.pending, 0u);
  ASSERT_EQ(stats.batches.size(), 2u);
  EXPECT_EQ(stats.batches[0].batch_size, 1u);
  EXPECT_EQ(stats.batches[1].batch_size, 3u);
  EXPECT_EQ(stats.batches[1].compute_infer.count, 1u);
}

TEST_F(EngineTest, ThrowingAndMuteInstancesFailTheirRequestsOnly) {
  auto thrower = add(testing::pair_plan(8), std::make_unique<Thrower>());
  auto mute = add(testing::pair_plan(8), std::make_unique<Mute>());
  engine_.publish("thrower", {thrower}, {});
  engine_.publish("mute", {mute}, {});
  ASSERT_TRUE(engine_.submit(*owner_.request("thrower", 1)).ok());
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kInternal);
    EXPECT_EQ(r.status.message(), "model 'm' failed: boom");
  });
  ASSERT_TRUE(engine_.submit(*owner_.request("mute", 1)).ok());
  owner_.collect(1, [](const Response& r) { EXPECT_EQ(r.status.code(), Code::kInternal); });
  EXPECT_EQ(thrower->statistics().failures[static_cast<int>(FailureReason::kBackend)], 1u);
  EXPECT_EQ(thrower->statistics().execution_count, 0u);
}

TEST_F(EngineTest, RetireWaitsForWhatIsBoundAndRefusesTheNext) {
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{0};
  auto model = add(testing::pair_plan(8), std::make_unique<Gate>(entered, go));
  engine_.publish("m", {model}, {});
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
  entered.acquire();
  engine_.publish("m", {}, {1});
  std::thread retiring([&] { engine_.retire(model, INT64_C(60'000'000'000)); });
  go.release();
  owner_.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  retiring.join();
  EXPECT_EQ(owner_.request("m", 1), nullptr);
}

TEST_F(EngineTest, RetireThatTimesOutRefusesTheQueue) {
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{0};
  auto model = add(testing::pair_plan(8), std::make_unique<Gate>(entered, go));
  engine_.publish("m", {model}, {});
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
  entered.acquire();
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 2)).ok());
  std::thread retiring([&] { engine_.retire(model, 0); });
  go.release(2);  // the second only if it gets in before it is turned away
  int refused = 0;
  owner_.collect(2, [&](const Response& r) {
    refused += r.status.code() == Code::kUnavailable && !r.status.ok();
  });
  retiring.join();
  EXPECT_LE(refused, 1);
}

TEST_F(EngineTest, StopAcceptingRefuses) {
  auto model = add(testing::pair_plan(8), std::make_unique<Doubler>());
  engine_.publish("m", {model}, {});
  engine_.stop_accepting();
  Request* r = owner_.request("m", 1);
  const Status status = engine_.submit(*r);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  engine_.release(r);
}

TEST_F(EngineTest, MayEndBehindTheVariablesOfItsThread) {  // as a static one does at exit
  std::thread([] {
    thread_local std::unique_ptr<Engine> engine;  // made before the snapshot that the thread keeps
    engine = std::make_unique<Engine>(EngineOptions{});
    EXPECT_FALSE(engine->find("m", -1).ok());
    engine->publish("m", {}, {1});
  }).join();
}

TEST_F(EngineTest, SlotsAreBounded) {
  EngineOptions options;
  options.max_requests = 1;
  Engine small(options);
  Request* r = small.acquire();
  EXPECT_NE(r, nullptr);
  EXPECT_EQ(small.acquire(), nullptr);
  small.release(r);
}

// Several owners, several instances, versions switched under load: everybody is answered, rightly.
TEST_F(EngineTest, HotSwapUnderLoad) {
  const auto make = [&](std::int64_t version) {
    ModelPlan plan = testing::dynamic_plan(8);
    plan.version = version;
    plan.instance_count = 2;
    auto model = engine_.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    for (std::uint32_t i = 0; i < 2; ++i) model->start(i, std::make_unique<Doubler>());
    return model;
  };
  auto current = make(1);
  engine_.publish("m", {current}, {});
  std::atomic<bool> stop{false};
  std::vector<std::thread> owners;
  std::atomic<std::uint64_t> answered{0};
  for (int t = 0; t < 2; ++t) {
    owners.emplace_back([&] {
      Owner owner(engine_);
      for (int round = 0; round < 300 || !stop.load(); ++round) {
        for (int i = 0; i < 8; ++i) {
          Request* r = owner.request("m", static_cast<float>(i));
          ASSERT_NE(r, nullptr) << owner.status.message();
          r->correlation_id = static_cast<std::uint64_t>(i);
          const Status status = engine_.submit(*r);
          ASSERT_TRUE(status.ok()) << status.message();
        }
        owner.collect(8, [](const Response& response) {
          ASSERT_TRUE(response.status.ok()) << response.status.message();
          EXPECT_EQ(first_value(response), 2.0F * response.request->correlation_id);
        });
        answered += 8;
      }
    });
  }
  for (std::int64_t version = 2; version < 22; ++version) {
    auto next = make(version);
    engine_.publish("m", {next}, {});
    engine_.retire(current, INT64_C(10'000'000'000));
    current = next;
  }
  stop = true;
  for (auto& thread : owners) thread.join();
  EXPECT_GE(answered.load(), 4800u);
  EXPECT_EQ(engine_.in_flight(), 0u);
  engine_.retire(current, INT64_C(1'000'000'000));
  EXPECT_EQ(engine_.pool().stats().in_use_bytes, 0u);
}

}  // namespace
}  // namespace penstock
