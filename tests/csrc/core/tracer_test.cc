// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Which requests are traced, and what their records say (T-1..T-6).
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::Owner;

constexpr std::string_view kContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class TracerTest : public ::testing::Test {
 protected:
  TracerTest() { serve("pair"); }
  ~TracerTest() override {
    for (const auto& model : models_) engine_.retire(model, 1'000'000'000);
  }

  void serve(const std::string& name) {
    ModelPlan plan = testing::pair_plan(8);
    plan.name = name;
    auto model = engine_.create(std::make_shared<const ModelPlan>(std::move(plan)));
    ASSERT_TRUE(model.ok()) << model.status().message();
    model.value()->start(0, std::make_unique<Doubler>());
    engine_.publish(name, {model.value()}, {});
    models_.push_back(model.value());
  }
  void infer(int count = 1, const char* name = "pair", std::string_view context = {}) {
    for (int i = 0; i < count; ++i) {
      Request* request = owner_.request(name, 1);
      ASSERT_NE(request, nullptr);
      request->trace_context = context;
      request->frontend = TraceFrontend::kHttp;
      ASSERT_TRUE(engine_.submit(*request).ok());
      owner_.collect(1, [](const Response&) {});
    }
  }
  std::vector<std::unique_ptr<TraceRecord>> take() {
    std::vector<std::unique_ptr<TraceRecord>> records;
    engine_.tracer().take(records, 0);
    return records;
  }

  Engine engine_{{}};
  Owner owner_{engine_};
  std::vector<ModelVersionRef> models_;
};

TEST_F(TracerTest, NothingIsTracedUnlessAsked) {
  infer(3);
  EXPECT_TRUE(take().empty());
}

TEST_F(TracerTest, EveryRateThAndNoMoreThanCount) {
  const TraceSettings settings{.rate = 3, .count = 2, .generation = 7};
  engine_.tracer().set(&settings);
  infer(2);
  EXPECT_TRUE(take().empty());
  infer(10);
  const auto records = take();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]->id, 1u);
  EXPECT_EQ(records[1]->id, 2u);
  EXPECT_EQ(records[0]->generation, 7u);
  EXPECT_EQ(records[0]->model, "pair");
}

TEST_F(TracerTest, StagesAreInOrder) {
  const TraceSettings settings{.rate = 1};
  engine_.tracer().set(&settings);
  infer();
  const auto records = take();
  ASSERT_EQ(records.size(), 1u);
  std::vector<std::string> names;
  for (const TraceStamp& stamp : records[0]->stamps) names.emplace_back(stamp.name);
  const std::vector<std::string> expected{
      "QUEUE_START", "COMPUTE_START",           "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START",
      "COMPUTE_END", "INFER_RESPONSE_COMPLETE", "REQUEST_END"};
  EXPECT_EQ(names, expected);  // the others are a frontend's
  for (std::size_t i = 1; i < records[0]->stamps.size(); ++i) {
    EXPECT_LE(records[0]->stamps[i - 1].ns, records[0]->stamps[i].ns);
  }
}

TEST_F(TracerTest, AModelsSettingsHideTheOthers) {
  serve("other");
  Tracer& tracer = engine_.tracer();
  const TraceSettings all{.rate = 1, .generation = 1};
  const TraceSettings own{.rate = 1, .generation = 2};
  tracer.set(&all);
  tracer.set("other", &own);
  infer(1, "pair");
  infer(1, "other");
  tracer.set(nullptr);
  infer(1, "pair");
  infer(1, "other");
  tracer.set("other", nullptr);
  tracer.set(&all);
  infer(1, "pair");
  infer(1, "other");
  tracer.inherit("other");
  infer(1, "other");
  std::vector<std::uint64_t> generations;
  for (const auto& record : take()) generations.push_back(record->generation);
  EXPECT_EQ(generations, (std::vector<std::uint64_t>{1, 2, 2, 1, 1}));
}

TEST_F(TracerTest, ModelsThatAreLoadedLaterDoAsTheOthers) {
  const TraceSettings settings{.rate = 1};
  engine_.tracer().set(&settings);
  serve("late");
  infer(1, "late");
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(TracerTest, AContextIsTracedWhateverTheRate) {  // T-22
  const TraceSettings settings{.rate = 0};
  engine_.tracer().set(&settings);
  infer(1, "pair", "nonsense");
  infer(1, "pair", kContext);
  const auto records = take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]->context, kContext);
  EXPECT_EQ(records[0]->root_id, records[0]->id);
}

TEST_F(TracerTest, ContextsHaveOneForm) {
  EXPECT_TRUE(is_trace_context(kContext));
  std::string text(kContext);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string broken = text;
    broken[i] = 'X';
    EXPECT_FALSE(is_trace_context(broken)) << broken;
  }
  EXPECT_FALSE(is_trace_context(text.substr(1)));
  EXPECT_FALSE(is_trace_context("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
  EXPECT_FALSE(is_trace_context("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"));
}

TEST_F(TracerTest, TensorsAreCopied) {
  const TraceSettings settings{.tensors = true, .rate = 1};
  engine_.tracer().set(&settings);
  infer();
  const auto records = take();
  ASSERT_EQ(records.size(), 1u);
  ASSERT_EQ(records[0]->tensors.size(), 2u);
  const TraceTensor& in = records[0]->tensors[0];
  const TraceTensor& out = records[0]->tensors[1];
  EXPECT_EQ(in.activity, "TENSOR_QUEUE_INPUT");
  EXPECT_EQ(out.activity, "TENSOR_BACKEND_OUTPUT");
  const float one[2] = {1, 1}, two[2] = {2, 2};
  EXPECT_EQ(in.data, std::string(reinterpret_cast<const char*>(one), sizeof one));
  EXPECT_EQ(out.data, std::string(reinterpret_cast<const char*>(two), sizeof two));
}

TEST_F(TracerTest, WhatDoesNotFitIsDroppedAndCounted) {
  const TraceSettings settings{.rate = 1};
  engine_.tracer().set(&settings);
  infer(Tracer::kMaxQueued + 5);
  EXPECT_EQ(engine_.tracer().dropped(), 5u);
  EXPECT_EQ(take().size(), Tracer::kMaxQueued);
  infer();
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(TracerTest, TakeWaitsForARecord) {
  const TraceSettings settings{.rate = 1};
  engine_.tracer().set(&settings);
  std::vector<std::unique_ptr<TraceRecord>> records;
  std::thread taker([&] { engine_.tracer().take(records, 60'000'000'000); });
  infer();
  taker.join();
  EXPECT_EQ(records.size(), 1u);
}

TEST_F(TracerTest, SettingsChangeWhileRequestsAreSampled) {
  std::thread changer([&] {
    for (std::uint64_t i = 0; i < 500; ++i) {
      const TraceSettings settings{.rate = 1 + i % 3, .count = 5, .generation = i};
      engine_.tracer().set(i % 4 == 0 ? nullptr : &settings);
      engine_.tracer().set("pair", &settings);
      engine_.tracer().inherit("pair");
      (void)take();
    }
  });
  infer(500);
  changer.join();
  EXPECT_EQ(engine_.in_flight(), 0u);
}

}  // namespace
}  // namespace penstock
