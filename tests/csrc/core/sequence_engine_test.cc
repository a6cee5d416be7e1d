// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Sequence models in the engine: threads, answers, statistics, and time that passes by itself.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "penstock/engine.h"
#include "support/engine_fixture.h"
#include "support/sequence_plans.h"

namespace penstock {
namespace {

using testing::first_value;
using testing::Owner;

// OUT and the next state S: the sum of all IN of the sequence so far. Padding is left out.
class Accumulator : public NativeInstance {
 public:
  explicit Accumulator(const ModelPlan& plan)
      : state_(static_cast<std::uint32_t>(plan.find_model_input("S"))),
        next_(static_cast<std::uint32_t>(plan.find_model_output("S"))) {}
  void execute(Batch& batch) override {
    const std::vector<float> sums = add(batch);
    for (const std::uint32_t output : {std::uint32_t{0}, next_}) give(batch, output, sums);
  }

 protected:
  static std::vector<float> read(Batch& batch, std::uint32_t spec) {
    TensorView view;
    EXPECT_TRUE(batch.gather(spec, view).ok());
    std::vector<float> values(view.size_bytes / sizeof(float));
    std::memcpy(values.data(), view.data, view.size_bytes);
    return values;
  }
  std::vector<float> add(Batch& batch) const {
    std::vector<float> sums = read(batch, 0);
    const std::vector<float> states = read(batch, state_);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += states[i];
    return sums;
  }
  static void give(Batch& batch, std::uint32_t output, const std::vector<float>& values) {
    const BufferLease lease = batch.allocate(values.size() * sizeof(float));
    std::memcpy(lease->data, values.data(), values.size() * sizeof(float));
    TensorView view;
    view.type = DataType::kFp32;
    view.shape = Shape{std::ssize(values), 1};
    view.data = lease->data;
    view.size_bytes = values.size() * sizeof(float);
    EXPECT_TRUE(batch.scatter(output, view, lease).ok());
  }
  const std::uint32_t state_;
  const std::uint32_t next_;
};

// Adds IN again and again until the sum is 3 or more; answers then.
class Stepper final : public Accumulator {
 public:
  using Accumulator::Accumulator;
  void execute(Batch& batch) override {
    const std::vector<float> sums = add(batch);
    give(batch, next_, sums);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const bool again = !batch.padding(i) && sums[i] < 3;
      EXPECT_TRUE(!again || batch.reschedule(i).ok());
    }
    give(batch, 0, sums);
  }
};

// The same, with a response for every step.
class TellingStepper final : public Accumulator {
 public:
  using Accumulator::Accumulator;
  void execute(Batch& batch) override {
    const std::vector<float> sums = add(batch);
    give(batch, next_, sums);
    Responder responder = batch.defer(0);
    auto response = responder.begin();
    ASSERT_TRUE(response.ok());
    const BufferLease lease = batch.allocate(sizeof(float));
    std::memcpy(lease->data, &sums[0], sizeof(float));
    TensorView view;
    view.type = DataType::kFp32;
    view.shape = Shape{1, 1};
    view.data = lease->data;
    view.size_bytes = sizeof(float);
    EXPECT_TRUE(responder.set_output(*response.value(), 0, view, lease).ok());
    if (sums[0] >= 3) return responder.finish(response.value());
    responder.send(response.value());
    EXPECT_TRUE(batch.reschedule(0, &responder).ok());
  }
};

class SequenceEngineTest : public ::testing::Test {
 protected:
  SequenceEngineTest() : engine_(EngineOptions{}), owner_(engine_) {}
  ~SequenceEngineTest() override { engine_.retire(model_, INT64_C(10'000'000'000)); }

  template <typename Instance>
  void serve(ModelPlan plan) {
    plan.name = "m";
    auto shared = std::make_shared<ModelPlan>(std::move(plan));
    model_ = engine_.create(shared).value();
    for (std::uint32_t i = 0; i < shared->instance_count; ++i) {
      model_->start(i, std::make_unique<Instance>(*shared));
    }
    engine_.publish("m", {model_}, {});
  }
  static ModelPlan summing(SchedulerKind kind) {
    ModelPlan plan = testing::sequence_plan(kind, 4);
    testing::add_state(plan, "S", Shape{1}, {0});
    return plan;
  }
  Request* request(std::uint64_t id, std::uint32_t flags, float value) {
    Request* r = engine_.acquire();
    EXPECT_TRUE(engine_.bind(*r, "m", -1).ok());
    testing::add_input<float>(*r, engine_.pool(), "IN", DataType::kFp32, Shape{1, 1}, {value});
    r->completion = &owner_.ring;
    r->correlation_id = id;
    r->flags = flags;
    return r;
  }
  float infer(std::uint64_t id, std::uint32_t flags, float value) {
    float answer = -1;
    const Status status = engine_.submit(*request(id, flags, value));
    EXPECT_TRUE(status.ok()) << status.message();
    owner_.collect(1, [&](const Response& r) {
      ASSERT_TRUE(r.status.ok()) << r.status.message();
      ASSERT_EQ(r.outputs.size(), 1u);  // C-21: the state stays here
      answer = first_value(r);
    });
    return answer;
  }

  Engine engine_;
  Owner owner_;
  ModelVersionRef model_;
};

TEST_F(SequenceEngineTest, C21_StatesGoOnSideBySide) {
  for (const SchedulerKind kind : {SchedulerKind::kDirect, SchedulerKind::kOldest}) {
    ModelPlan plan = summing(kind);
    plan.instance_count = 2;
    serve<Accumulator>(std::move(plan));
    for (std::uint64_t id = 1; id <= 5; ++id) {
      EXPECT_EQ(infer(id, kSequenceStart, static_cast<float>(id)), id);
    }
    for (std::uint64_t id = 5; id >= 1; --id) EXPECT_EQ(infer(id, 0, 100), 100 + id);
    EXPECT_EQ(infer(2, kSequenceStart, 7), 7);  // S-22
    EXPECT_EQ(infer(2, kSequenceEnd, 7), 14);
    EXPECT_EQ(model_->statistics().inference_count, 12u);
    engine_.retire(model_, INT64_C(10'000'000'000));
  }
}

TEST_F(SequenceEngineTest, S26_PaddingIsNoInference) {
  serve<Accumulator>(summing(SchedulerKind::kDirect));
  EXPECT_EQ(infer(1, kSequenceStart, 1), 1);
  EXPECT_EQ(infer(2, kSequenceStart, 2), 2);
  EXPECT_EQ(infer(2, 0, 5), 7);
  const ModelStatistics stats = model_->statistics();
  EXPECT_EQ(stats.inference_count, 3u);
  EXPECT_EQ(stats.success.count, 3u);
  ASSERT_EQ(stats.batches.size(), 2u);
  EXPECT_EQ(stats.batches[1].batch_size, 2u);  // the rows that the model saw
  EXPECT_EQ(stats.batches[1].compute_infer.count, 2u);
}

TEST_F(SequenceEngineTest, S21_WhatIsRefusedAtOnceIsNoFailure) {  // M-2
  serve<Accumulator>(summing(SchedulerKind::kDirect));
  Request* r = request(1, 0, 1);
  EXPECT_EQ(engine_.submit(*r).code(), Code::kInvalidArg);
  engine_.release(r);
  EXPECT_EQ(model_->statistics().fail.count, 0u);
}

TEST_F(SequenceEngineTest, S25_AnIdleSequenceMakesRoomByItself) {
  ModelPlan plan = summing(SchedulerKind::kOldest);
  plan.sequence.max_candidate_sequences = 1;
  plan.sequence.max_idle_us = 3000;
  serve<Accumulator>(std::move(plan));
  EXPECT_EQ(infer(1, kSequenceStart, 1), 1);
  EXPECT_EQ(infer(2, kSequenceStart, 2), 2);  // waits for the first to grow idle
  Request* gone = request(1, 0, 1);
  EXPECT_EQ(engine_.submit(*gone).code(), Code::kInvalidArg);
  engine_.release(gone);
}

TEST_F(SequenceEngineTest, S29_CancelledInTheBacklog) {
  ModelPlan plan = summing(SchedulerKind::kDirect);
  plan.max_batch_size = 1;
  serve<Accumulator>(std::move(plan));
  EXPECT_EQ(infer(1, kSequenceStart, 1), 1);
  Request* waiting = request(2, kSequenceStart, 1);
  ASSERT_TRUE(engine_.submit(*waiting).ok());
  ASSERT_TRUE(engine_.cancel(waiting->handle()));
  owner_.collect(1, [](const Response& r) { EXPECT_EQ(r.status.code(), Code::kCancelled); });
  EXPECT_EQ(model_->statistics().failures[static_cast<int>(FailureReason::kCanceled)], 1u);
}

TEST_F(SequenceEngineTest, S31_StepsMakeOneInference) {
  ModelPlan plan = summing(SchedulerKind::kOldest);
  plan.sequence.iterative = true;
  serve<Stepper>(std::move(plan));
  EXPECT_EQ(infer(0, 0, 1), 3);
  EXPECT_EQ(infer(0, 0, 2), 4);
  const ModelStatistics stats = model_->statistics();
  EXPECT_EQ(stats.inference_count, 2u);
  EXPECT_EQ(stats.execution_count, 5u);
  EXPECT_EQ(stats.pending, 0u);
}

TEST_F(SequenceEngineTest, S31_ADecoupledModelTellsEveryStep) {
  ModelPlan plan = summing(SchedulerKind::kDirect);
  plan.sequence.iterative = true;
  plan.decoupled = true;
  serve<TellingStepper>(std::move(plan));
  ASSERT_TRUE(engine_.submit(*request(0, 0, 1)).ok());
  std::vector<float> told;
  while (told.size() < 3) {
    Response* response = owner_.next();
    ASSERT_TRUE(response->status.ok()) << response->status.message();
    told.push_back(first_value(*response));
    EXPECT_EQ(response->final, told.size() == 3);
    response->final ? engine_.release(response->request) : engine_.release(response);
  }
  EXPECT_EQ(told, (std::vector<float>{1, 2, 3}));
}

}  // namespace
}  // namespace penstock
