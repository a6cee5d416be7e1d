// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Ensembles end to end in the core (contract 4.4).
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/engine_fixture.h"
#include "support/ensemble_plans.h"
#include "support/plans.h"
#include "sync/errands.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::ensemble_plan;
using testing::first_value;
using testing::Function;
using testing::Gate;
using testing::Owner;

class EnsembleTest : public ::testing::Test {
 protected:
  EnsembleTest() : engine_(EngineOptions{}), owner_(engine_) {}
  ~EnsembleTest() override {
    for (auto model = models_.rbegin(); model != models_.rend(); ++model) {
      engine_.retire(*model, INT64_C(10'000'000'000));
    }
    EXPECT_EQ(engine_.in_flight(), 0u);
    EXPECT_EQ(engine_.pool().stats().in_use_bytes, 0u);
  }

  ModelVersionRef add(ModelPlan plan, std::unique_ptr<NativeInstance> instance) {
    auto made = engine_.create(std::make_shared<ModelPlan>(plan));
    EXPECT_TRUE(made.ok()) << made.status().message();
    models_.push_back(made.value());
    if (instance) made.value()->start(0, std::move(instance));
    engine_.publish(plan.name, {made.value()}, {});
    return made.value();
  }
  ModelVersionRef add(const char* name, std::unique_ptr<NativeInstance> instance,
                      std::int64_t max_batch_size = 8) {
    ModelPlan plan = testing::dynamic_plan(max_batch_size);
    plan.name = name;
    return add(std::move(plan), std::move(instance));
  }
  ModelVersionRef add_doubler(const char* name) { return add(name, std::make_unique<Doubler>()); }
  void submit(float value) { ASSERT_TRUE(engine_.submit(*owner_.request("e", value)).ok()); }
  void expect_value(float value) {
    owner_.collect(1, [&](const Response& r) {
      ASSERT_TRUE(r.status.ok()) << r.status.message();
      ASSERT_EQ(r.outputs.size(), 1u);
      EXPECT_EQ(first_value(r), value);
    });
  }

  Engine engine_;
  Owner owner_;
  std::vector<ModelVersionRef> models_;
};

TEST_F(EnsembleTest, OneStepAfterTheOther) {  // S-40
  for (const char* name : {"a", "b", "c"}) add_doubler(name);
  auto ensemble =
      add(ensemble_plan({"Z"}, {{"c", "Y", "Z"}, {"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  submit(1);
  expect_value(8);
  const ModelStatistics stats = ensemble->statistics();  // S-49
  EXPECT_EQ(stats.success.count, 1u);
  EXPECT_EQ(stats.execution_count, 1u);
  EXPECT_EQ(stats.inference_count, 1u);
  std::uint64_t infer_ns = 0;
  for (std::size_t i = 0; i < 3; ++i) infer_ns += models_[i]->statistics().compute_infer.ns;
  EXPECT_EQ(stats.compute_infer.ns, infer_ns);
}

TEST_F(EnsembleTest, ManyAtOnceAreBatchedInTheSteps) {
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{0};
  auto gated = add("a", std::make_unique<Gate>(entered, go));
  add_doubler("b");
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  submit(1);
  entered.acquire();
  for (int i = 0; i < 4; ++i) submit(1);
  while (gated->statistics().pending < 4) std::this_thread::yield();
  go.release(5);
  for (int i = 0; i < 5; ++i) expect_value(4);
  EXPECT_EQ(gated->statistics().execution_count, 2u);
}

TEST_F(EnsembleTest, StepsThatAreNotNeededDoNotRun) {
  auto a = add_doubler("a");
  auto b = add_doubler("b");
  auto c = add_doubler("c");
  add(ensemble_plan({"Y", "Z"}, {{"a", "IN", "X"}, {"b", "X", "Y"}, {"c", "IN", "Z"}}), nullptr);
  Request* request = owner_.request("e", 1);
  request->add_output("Z");
  ASSERT_TRUE(engine_.submit(*request).ok());
  expect_value(2);
  EXPECT_EQ(a->statistics().success.count + b->statistics().success.count, 0u);
  EXPECT_EQ(c->statistics().success.count, 1u);
}

TEST_F(EnsembleTest, AFailureIsTheEnsembles) {  // S-44
  auto a = add_doubler("a");
  add("b", std::make_unique<testing::Thrower>());
  auto ensemble = add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  submit(1);
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kInternal);
    EXPECT_EQ(r.status.message(), "in ensemble 'e', model 'b' failed: boom");
  });
  EXPECT_EQ(ensemble->statistics().failures[static_cast<int>(FailureReason::kOther)], 1u);
  engine_.publish("b", {}, {1});
  submit(1);
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.message(),
              "in ensemble 'e', Request for unknown model: 'b' has no available versions");
  });
}

TEST_F(EnsembleTest, OutputsThatDoNotComeAreADeadlock) {  // S-44
  add("a", std::make_unique<Function>([](Batch& batch) { batch.answer(0); }));
  ModelPlan optional = testing::dynamic_plan(8);
  optional.name = "b";
  add(std::move(optional), std::make_unique<Doubler>());
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  submit(1);  // b's input is not optional
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kInvalidArg);
    EXPECT_EQ(r.status.message().rfind("in ensemble 'e', [request id: <id_unknown>] expected 1", 0),
              0u)
        << r.status.message();
  });
}

TEST_F(EnsembleTest, MissingOptionalTensorsStayMissing) {  // S-43
  add("a", std::make_unique<Function>([](Batch& batch) { batch.answer(0); }));
  ModelPlan optional = testing::dynamic_plan(8);
  optional.name = "b";
  optional.inputs[0].optional = true;
  add(std::move(optional), std::make_unique<Function>([](Batch& batch) {
        TensorView view;
        EXPECT_FALSE(batch.input(0, 0, view));
        batch.answer(0);
      }));
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  submit(1);
  owner_.collect(1, [](const Response& r) {
    EXPECT_TRUE(r.status.ok()) << r.status.message();
    EXPECT_EQ(r.outputs.size(), 0u);
  });
}

TEST_F(EnsembleTest, BatchDimensionsAreAdapted) {  // S-42
  add("a", std::make_unique<Doubler>(), 0);        // without a batch dimension
  add_doubler("b");
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  submit(3);
  expect_value(12);
}

TEST_F(EnsembleTest, StepsAreBounded) {  // S-46
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<Responder> held;
  std::mutex mutex;
  ModelPlan step = testing::pair_plan(8);
  step.name = "a";
  auto a = add(std::move(step), std::make_unique<Doubler>());
  ModelPlan plan = ensemble_plan({"Y"}, {{"a", "IN", "Y"}});
  plan.ensemble.max_inflight_requests = 2;
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{0};
  ModelPlan gated = testing::pair_plan(8);
  gated.name = "g";
  auto gate = add(std::move(gated), std::make_unique<Gate>(entered, go));
  plan.ensemble.steps[0].model = "g";
  auto ensemble = add(std::move(plan), nullptr);
  for (int i = 0; i < 6; ++i) submit(1);
  entered.acquire();
  while (ensemble->statistics().pending > 0) std::this_thread::yield();
  EXPECT_LE(gate->statistics().pending, 1u);  // one executes, one waits, four are held back
  go.release(6);
  for (int i = 0; i < 6; ++i) expect_value(2);
}

TEST_F(EnsembleTest, CancellingStopsWhatHasNotBegun) {  // S-47
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{0};
  add("a", std::make_unique<Gate>(entered, go));
  auto b = add_doubler("b");
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  Request* request = owner_.request("e", 1);
  ASSERT_TRUE(engine_.submit(*request).ok());
  entered.acquire();
  ASSERT_TRUE(engine_.cancel(request->handle()));
  go.release();
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kCancelled);
    EXPECT_EQ(r.status.message(), "");
  });
  EXPECT_EQ(b->statistics().success.count, 0u);
}

// S-48: the versions of a request are those of its beginning, and wait for its end.
class PinTest : public EnsembleTest {
 protected:
  PinTest() {
    add("a", std::make_unique<Gate>(entered_, go_));
    b_ = add_doubler("b");
    add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  }
  void begin() {
    submit(1);
    entered_.acquire();
  }

  std::binary_semaphore entered_{0};
  std::counting_semaphore<> go_{0};
  ModelVersionRef b_;
};

TEST_F(PinTest, AStepServesOnAfterItIsUnloaded) {
  begin();
  engine_.forget("b");
  std::atomic<bool> retired{false};
  std::thread unloading([&] {
    engine_.retire(b_, INT64_C(10'000'000'000));
    retired = true;
  });
  Request* request = engine_.acquire();
  EXPECT_FALSE(engine_.bind(*request, "b", -1).ok());
  engine_.release(request);
  EXPECT_FALSE(retired);
  EXPECT_EQ(b_->statistics().in_flight, 1u);
  go_.release();
  expect_value(4);
  unloading.join();
  EXPECT_EQ(b_->statistics().success.count, 1u);
  submit(1);
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kInvalidArg);
    EXPECT_EQ(r.status.message(), "in ensemble 'e', Request for unknown model: 'b' is not found");
  });
}

TEST_F(PinTest, ANewVersionIsForNewRequests) {
  begin();
  ModelPlan plan = testing::dynamic_plan(8);
  plan.name = "b";
  plan.version = 2;
  auto newer = engine_.create(std::make_shared<ModelPlan>(plan));
  ASSERT_TRUE(newer.ok());
  models_.push_back(newer.value());
  newer.value()->start(0, std::make_unique<Doubler>());
  engine_.publish("b", {b_, newer.value()}, {});
  go_.release(2);
  expect_value(4);
  EXPECT_EQ(b_->statistics().success.count, 1u);
  begin();
  expect_value(4);
  EXPECT_EQ(newer.value()->statistics().success.count, 1u);
}

TEST_F(PinTest, RetiringWaitsNoLongerThanItIsTold) {
  begin();
  engine_.forget("b");
  engine_.retire(b_, 0);
  go_.release();
  owner_.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.code(), Code::kUnavailable) << r.status.message();
    EXPECT_EQ(r.status.message().rfind("in ensemble 'e', ", 0), 0u) << r.status.message();
  });
}

TEST_F(EnsembleTest, EnsemblesMayBeSteps) {
  add_doubler("a");
  ModelPlan inner = ensemble_plan({"OUT"}, {{"a", "IN", "OUT"}});
  inner.name = "inner";
  add(std::move(inner), nullptr);
  add(ensemble_plan({"Y"}, {{"inner", "IN", "X"}, {"inner", "X", "Y"}}), nullptr);
  submit(1);
  expect_value(4);
}

// Who is told notes on which thread that was.
struct NotingWaker final : Waker {
  void wake() noexcept override {
    by = std::this_thread::get_id();
    told.release();
  }
  std::thread::id by;
  std::binary_semaphore told{0};
};

TEST_F(EnsembleTest, ThreadThatHasNewsGoesOnWithIt) {
  std::thread::id last;
  add_doubler("a");
  add("b", std::make_unique<Function>([&last](Batch& batch) {
        last = std::this_thread::get_id();
        Doubler().execute(batch);
      }));
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  NotingWaker waker;
  CompletionRing ring(waker);
  bool by_who_had_news = false;  // or by who was still at it when the news came
  for (int i = 0; i < 1000 && !by_who_had_news; ++i) {
    Request* request = owner_.request("e", 1);
    request->completion = &ring;
    ring.arm();
    ASSERT_TRUE(engine_.submit(*request).ok());
    waker.told.acquire();
    auto* response = static_cast<Response*>(ring.take_all());
    EXPECT_EQ(first_value(*response), 4);
    by_who_had_news = waker.by == last;
    engine_.release(request);
  }
  EXPECT_TRUE(by_who_had_news);
}

// From threads with errands and without, through ensembles in ensembles; some are cancelled, and
// the models go while requests are in flight.
TEST_F(EnsembleTest, ManyThreadsHaveNewsAtOnce) {
  constexpr int kThreads = 3;
  constexpr int kRequests = 400;
  add_doubler("a");
  add_doubler("b");
  ModelPlan inner = ensemble_plan({"OUT"}, {{"a", "IN", "X"}, {"b", "X", "OUT"}});
  inner.name = "inner";
  add(std::move(inner), nullptr);
  add(ensemble_plan({"Y"}, {{"inner", "IN", "X"}, {"a", "X", "Y"}}), nullptr);
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Owner owner(engine_);
      int begun = 0;
      for (int i = 0; i < kRequests; ++i) {
        Request* request = owner.request("e", 1);
        if (request == nullptr) break;  // it is gone
        const RequestHandle handle = request->handle();
        {
          std::optional<ErrandScope> errands;
          if (t > 0) errands.emplace();
          if (!engine_.submit(*request).ok()) {
            engine_.release(request);
            continue;
          }
        }
        ++begun;
        if (i % 16 == 15) (void)engine_.cancel(handle);
        if (i % 8 == 7)
          owner.collect(std::exchange(begun, 0), [&](const Response&) { ++answered; });
      }
      owner.collect(begun, [&](const Response&) { ++answered; });
    });
  }
  while (answered.load() < kRequests) std::this_thread::yield();
  engine_.retire(models_.back(), INT64_C(10'000'000'000));
  for (auto& thread : threads) thread.join();
  const ModelStatistics stats = models_.back()->statistics();
  std::uint64_t ended = stats.success.count;
  for (const std::uint64_t failed : stats.failures) ended += failed;
  EXPECT_EQ(ended, static_cast<std::uint64_t>(answered.load()));
}

TEST_F(EnsembleTest, SequenceParametersFlowOn) {  // S-41
  add("a", std::make_unique<Function>([](Batch& batch) {
        EXPECT_EQ(batch.request(0).id, "me");
        EXPECT_EQ(batch.request(0).correlation_id, 7u);
        Parameter& id = batch.request(0).response.parameters.append();
        id.name = "sequence_id";
        id.value = std::int64_t{9};
        Parameter& start = batch.request(0).response.parameters.append();
        start.name = "sequence_start";
        start.value = true;
        Doubler().execute(batch);
      }));
  add("b", std::make_unique<Function>([](Batch& batch) {
        EXPECT_EQ(batch.request(0).correlation_id, 9u);
        EXPECT_EQ(batch.request(0).flags, std::uint32_t{kSequenceStart});
        EXPECT_EQ(batch.request(0).parameters.size(), 1u);
        Doubler().execute(batch);
      }));
  add(ensemble_plan({"Y"}, {{"a", "IN", "X"}, {"b", "X", "Y"}}), nullptr);
  Request* request = owner_.request("e", 1);
  request->id = "me";
  request->correlation_id = 7;
  request->parameters.append().name = "mine";
  ASSERT_TRUE(engine_.submit(*request).ok());
  expect_value(4);
}

TEST_F(EnsembleTest, DecoupledStepsGiveManyResponses) {  // S-45
  ModelPlan repeat = testing::pair_plan(8);
  repeat.name = "r";
  repeat.decoupled = true;
  repeat.response_capacity = 3;
  add(std::move(repeat), std::make_unique<Function>([this](Batch& batch) {
        Responder responder = batch.defer(0);
        for (int i = 0; i < 20; ++i) {
          auto response = responder.begin();
          ASSERT_TRUE(response.ok());
          const float values[2] = {static_cast<float>(i), 0};
          BufferLease lease = testing::bytes(engine_.pool(), values, sizeof(values));
          TensorView view;
          view.type = DataType::kFp32;
          view.shape = Shape{1, 2};
          view.data = lease->data;
          view.size_bytes = sizeof(values);
          ASSERT_TRUE(responder.set_output(*response.value(), 0, view, lease).ok());
          responder.send(response.value());
        }
        responder.finish(nullptr);
      }));
  add_doubler("b");
  ModelPlan plan = ensemble_plan({"Y"}, {{"r", "IN", "X", true}, {"b", "X", "Y"}});
  plan.decoupled = true;
  plan.response_capacity = 2;
  add(std::move(plan), nullptr);
  submit(1);
  std::vector<float> values;
  for (bool final = false; !final;) {
    Response* response = owner_.next();
    final = response->final;
    EXPECT_TRUE(response->status.ok()) << response->status.message();
    if (final) {
      EXPECT_TRUE(response->flags_only);
      engine_.release(response->request);
    } else {
      values.push_back(first_value(*response));
      engine_.release(response);
    }
  }
  ASSERT_EQ(values.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], 2 * i);
}

}  // namespace
}  // namespace penstock
