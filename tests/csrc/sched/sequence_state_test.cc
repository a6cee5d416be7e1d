// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Controls in all their types (2.7, S-28), and what a sequence carries on (C-20, C-21, S-30).
#include "support/sequence_fixture.h"

namespace penstock {
namespace {

using testing::add_control;
using testing::add_state;
using testing::control;
using testing::kEnd;
using testing::kStart;
using testing::sequence_plan;
using Floats = std::vector<float>;

using SequenceStateTest = testing::SequenceTest;

TEST_F(SequenceStateTest, S28_FlagsInTheirThreeTypes) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  add_control(plan, "I", DataType::kInt32, control(ControlKind::kStart, -7, 9));
  add_control(plan, "F", DataType::kFp32, control(ControlKind::kEnd, 0.5F, 1.5F));
  add_control(plan, "B", DataType::kBool, control(ControlKind::kReady, false, true));
  make(plan);
  submit(1, kStart);
  submit(2, kStart | kEnd);
  start();
  EXPECT_EQ(values<std::int32_t>("I"), (std::vector<std::int32_t>{9, 9}));
  EXPECT_EQ(values<float>("F"), (Floats{0.5F, 1.5F}));
  EXPECT_EQ(values<std::uint8_t>("B"), (std::vector<std::uint8_t>{1, 1}));
  TensorView view;
  ASSERT_TRUE(batch().gather(spec("B"), view).ok());
  EXPECT_EQ(view.type, DataType::kBool);
  EXPECT_EQ(view.shape, (Shape{2, 1}));
  ASSERT_TRUE(batch().input(1, spec("F"), view));
  EXPECT_EQ(view.shape, (Shape{1, 1}));
}

template <typename T>
constexpr DataType kTypeOf = DataType::kUint64;
template <>
constexpr DataType kTypeOf<std::int64_t> = DataType::kInt64;
template <>
constexpr DataType kTypeOf<std::uint32_t> = DataType::kUint32;
template <>
constexpr DataType kTypeOf<std::int32_t> = DataType::kInt32;

TEST_F(SequenceStateTest, S28_IdsInTheirFourNumberTypes) {
  constexpr std::uint64_t kId = 0xFEDCBA9876543210;
  const auto check = [&]<typename T>(T expected) {
    ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
    add_control(plan, "ID", kTypeOf<T>, control(ControlKind::kCorrelationId, 0, 0));
    make(plan);
    submit(kId, kStart);
    start();
    EXPECT_EQ(values<T>("ID"), std::vector<T>{expected});
    finish();
  };
  check(kId);
  check(static_cast<std::int64_t>(kId));
  check(std::uint32_t{0x76543210});  // 32-bit types truncate
  check(std::int32_t{0x76543210});
}

TEST_F(SequenceStateTest, S28_IdsAsText) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  add_control(plan, "ID", DataType::kBytes, control(ControlKind::kCorrelationId, 0, 0));
  make(plan);
  for (const char* id : {"first", "a longer second id"}) {
    Request* r = request(0, kStart);
    r->correlation_id_string = id;
    submit(r);
  }
  run();
  Request* last = request(0, 0);
  last->correlation_id_string = "a longer second id";
  submit(last);
  start();
  TensorView view;
  ASSERT_TRUE(batch().gather(spec("ID"), view).ok());
  const std::string text(reinterpret_cast<const char*>(view.data), view.size_bytes);
  EXPECT_EQ(text, std::string("\0\0\0\0", 4) + std::string("\x12\0\0\0", 4) + "a longer second id");
}

TEST_F(SequenceStateTest, C20_AnInitialStateAndC21_ItsNextValue) {
  ModelPlan plan = sequence_plan(SchedulerKind::kOldest, 4);
  add_state(plan, "S", Shape{2}, {1, 2});
  make(plan);
  submit(1, kStart);
  submit(2, kStart);
  start();
  EXPECT_EQ(values<float>("S"), (Floats{1, 2, 1, 2}));
  ASSERT_TRUE(give("S", {11, 12, 21, 22}).ok());
  EXPECT_TRUE(batch().request(0).response.outputs.empty());  // hidden
  EXPECT_TRUE(batch().request(0).response.answered);
  finish();
  submit(2, 0);
  submit(1, 0);
  start();
  EXPECT_EQ(values<float>("S"), (Floats{21, 22, 11, 12}));
}

TEST_F(SequenceStateTest, S30_StartResets) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  add_state(plan, "S", Shape{1}, {5});
  make(plan);
  const auto step = [&](std::uint32_t flags, float expected, float next) {
    submit(1, flags);
    start();
    EXPECT_EQ(values<float>("S"), Floats{expected});
    ASSERT_TRUE(give("S", {next}).ok());
    finish();
  };
  step(kStart, 5, 6);
  step(0, 6, 7);
  step(kStart, 5, 8);  // S-22
  step(kEnd, 8, 9);
  step(kStart, 5, 10);
}

TEST_F(SequenceStateTest, S30_AnotherSequenceInTheSlotSeesNothingOfIt) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  add_state(plan, "S", Shape{1}, {0});
  make(plan);
  submit(1, kStart | kEnd);
  submit(2, kStart);
  start();
  ASSERT_TRUE(give("S", {99}).ok());
  finish();
  start();
  EXPECT_EQ(values<float>("S"), Floats{0});
}

TEST_F(SequenceStateTest, C21_AFailedRequestChangesNothing) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  add_state(plan, "S", Shape{1}, {0});
  make(plan);
  submit(1, kStart);
  submit(2, kStart);
  start();
  ASSERT_TRUE(give("S", {1, 2}).ok());
  finish();
  submit(1, 0);
  submit(2, 0);
  start();
  ASSERT_TRUE(give("S", {10, 20}).ok());
  batch().fail(0, internal_error("no"));
  finish();
  submit(1, 0);
  submit(2, 0);
  start();
  EXPECT_EQ(values<float>("S"), (Floats{1, 20}));
}

TEST_F(SequenceStateTest, C21_AStateThatIsAlsoAnOutputIsSeen) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  add_state(plan, "S", Shape{1}, {0});
  plan.outputs.back().source = TensorSource::kClient;
  plan.hidden_outputs = 0;
  make(plan);
  submit(1, kStart);
  start();
  ASSERT_TRUE(give("S", {3}).ok());
  EXPECT_EQ(batch().request(0).response.outputs.size(), 1u);
  finish();
  submit(1, 0);
  start();
  EXPECT_EQ(values<float>("S"), Floats{3});
}

TEST_F(SequenceStateTest, C21_WantedWhateverTheClientAsksFor) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  add_state(plan, "S", Shape{1}, {0});
  make(plan);
  Request* r = request(1, kStart);
  r->add_output("OUT");
  submit(r);
  start();
  EXPECT_TRUE(batch().wants_output(0));
  EXPECT_TRUE(batch().wants_output(1));
}

TEST_F(SequenceStateTest, S30_ShapesMayVaryAndThenDoNotMix) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 4);
  add_state(plan, "S", Shape{-1}, {0});
  make(plan);
  submit(1, kStart);
  submit(2, kStart);
  start();
  ASSERT_TRUE(give("S", {1, 2, 3, 4}).ok());  // grows to two elements
  finish();
  Request* a = submit(1, 0);
  Request* b = submit(2, 0);
  Request* c = submit(3, kStart);  // still of one element
  EXPECT_EQ(start(), (std::vector<Request*>{a, b, nullptr}));
  EXPECT_EQ(values<float>("S"), (Floats{1, 2, 3, 4, 1, 2}));
  finish();
  EXPECT_EQ(start(), (std::vector<Request*>{nullptr, nullptr, c}));
  EXPECT_EQ(values<float>("S"), (Floats{0, 0, 0}));
}

TEST_F(SequenceStateTest, C21_PaddingLeavesItsSequenceAlone) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  add_state(plan, "S", Shape{1}, {0});
  make(plan);
  submit(1, kStart);
  submit(2, kStart);
  start();
  ASSERT_TRUE(give("S", {1, 2}).ok());
  finish();
  Request* b = submit(2, 0);
  ASSERT_EQ(start(), (std::vector<Request*>{nullptr, b}));
  ASSERT_TRUE(give("S", {70, 80}).ok());
  finish();
  submit(1, 0);
  submit(2, 0);
  start();
  EXPECT_EQ(values<float>("S"), (Floats{1, 80}));
}

TEST_F(SequenceStateTest, S31_StateGoesOnThroughTheSteps) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  plan.sequence.iterative = true;
  add_state(plan, "S", Shape{1}, {0});
  make(plan);
  submit(0, 0);
  for (float step = 0; step < 3; ++step) {
    start();
    EXPECT_EQ(values<float>("S"), Floats{step});
    ASSERT_TRUE(give("S", {step + 1}).ok());
    ASSERT_TRUE(batch().reschedule(0).ok());
    finish();
  }
}

TEST_F(SequenceStateTest, StatesAreGivenBack) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 2);
  add_state(plan, "S", Shape{1}, {0});
  make(plan);
  submit(1, kStart | kEnd);
  submit(2, kStart);
  start();
  ASSERT_TRUE(give("S", {1, 2}).ok());
  finish();
  clock_.advance_ns(INT64_C(2'000'000'000));
  scheduler_->sweep(clock_.now_ns());  // the second has grown idle
  for (auto* r : requests_) {
    for (auto& input : r->inputs) input.lease.reset();
  }
  EXPECT_EQ(pool_.stats().in_use_bytes, 0u);
}

TEST(SequencePlan, WhatDoesNotAddUpIsRefused) {
  ModelPlan plan = sequence_plan(SchedulerKind::kDirect, 1);
  add_state(plan, "S", Shape{2}, {0, 0});
  EXPECT_TRUE(plan.check().ok());
  ModelPlan small = plan;
  small.sequence.states[0].initial_data.pop_back();
  EXPECT_FALSE(small.check().ok());
  ModelPlan other = plan;
  other.outputs[1].type = DataType::kInt32;
  EXPECT_FALSE(other.check().ok());
  ModelPlan shape = plan;
  shape.sequence.states[0].initial_dims = Shape{3};
  EXPECT_FALSE(shape.check().ok());
  ModelPlan dynamic = plan;
  dynamic.scheduler = SchedulerKind::kDynamic;
  EXPECT_FALSE(dynamic.check().ok());
}

}  // namespace
}  // namespace penstock
