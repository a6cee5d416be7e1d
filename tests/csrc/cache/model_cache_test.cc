// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Keys, and answers that go into the cache and come out of it.
#include "cache/model_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "cache/local_cache.h"
#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

using testing::add_input;
using testing::tensor_spec;

ModelPlan two_by_two() {
  ModelPlan plan;
  plan.name = "m";
  for (const char* name : {"B", "A"}) {
    plan.inputs.push_back(tensor_spec(name, DataType::kFp32, Shape{-1}));
    plan.inputs.back().optional = true;
  }
  for (const char* name : {"X", "Y"}) {
    plan.outputs.push_back(tensor_spec(name, DataType::kFp32, Shape{-1}));
  }
  return plan;
}

class ModelCacheTest : public ::testing::Test {
 protected:
  ModelCacheTest() : plan_(two_by_two()), model_(cache_, plan_) {}
  ~ModelCacheTest() override {
    for (auto* request : requests_) slots_.release(request);
    EXPECT_EQ(pool_.stats().in_use_bytes, 0u);
  }
  Request& request(std::vector<const char*> outputs = {}) {
    requests_.push_back(slots_.acquire());
    Request& r = *requests_.back();
    RequestTestPeer::bind(r, plan_);
    for (const char* name : outputs) r.add_output(name);
    return r;
  }
  Request& with(const char* name, const std::vector<float>& values, Shape shape) {
    Request& r = request();
    add_input<float>(r, pool_, name, DataType::kFp32, shape, values);
    return r;
  }
  // As the model would answer: output `spec` is `values`.
  void give(Request& r, std::uint32_t spec, const std::vector<float>& values) {
    OutputTensor& output = r.response.outputs.append();
    output.spec = spec;
    output.lease = testing::bytes(pool_, values.data(), 4 * values.size());
    output.view.type = DataType::kFp32;
    output.view.shape = Shape{static_cast<std::int64_t>(values.size())};
    output.view.data = output.lease->data;
    output.view.size_bytes = 4 * values.size();
    r.response.answered = true;
  }
  static std::vector<float> floats(const OutputTensor& output) {
    std::vector<float> values(output.view.size_bytes / 4);
    if (!values.empty()) std::memcpy(values.data(), output.view.data, output.view.size_bytes);
    return values;
  }

  BufferPool pool_{make_page_allocator(), {}};
  RequestPool slots_{64};
  ModelPlan plan_;
  LocalCache cache_{1 << 20};
  ModelCache model_;
  std::vector<Request*> requests_;
};

TEST_F(ModelCacheTest, TheKeyIsNamesAndBytesOnly) {
  const auto base = model_.hash(with("A", {1, 2, 3, 4}, Shape{4}));
  EXPECT_EQ(model_.hash(with("A", {1, 2, 3, 4}, Shape{2, 2})), base) << "no shapes";
  EXPECT_NE(model_.hash(with("B", {1, 2, 3, 4}, Shape{4})), base);
  EXPECT_NE(model_.hash(with("A", {1, 2, 3, 5}, Shape{4})), base);
  EXPECT_NE(model_.hash(with("A", {1, 2, 3}, Shape{3})), base);
  EXPECT_NE(model_.hash(request()), base);
  Request& more = with("A", {1, 2, 3, 4}, Shape{4});
  more.id = "another";
  more.priority = 7;
  more.parameters.append().name = "p";
  more.add_output("Y");
  EXPECT_EQ(model_.hash(more), base) << "no id, priority, parameters or outputs";
}

TEST_F(ModelCacheTest, InputsMayComeInAnyOrder) {
  Request& one = with("A", {1}, Shape{1});
  add_input<float>(one, pool_, "B", DataType::kFp32, Shape{1}, {2});
  Request& other = with("B", {2}, Shape{1});
  add_input<float>(other, pool_, "A", DataType::kFp32, Shape{1}, {1});
  EXPECT_EQ(model_.hash(one), model_.hash(other));
  Request& swapped = with("B", {1}, Shape{1});
  add_input<float>(swapped, pool_, "A", DataType::kFp32, Shape{1}, {2});
  EXPECT_NE(model_.hash(one), model_.hash(swapped));
}

TEST_F(ModelCacheTest, InputsOfAnotherMemoryHaveNoKey) {
  Request& r = with("A", {1}, Shape{1});
  r.inputs[0].view.memory = MemoryKind::kGpu;
  EXPECT_FALSE(model_.hash(r).has_value());
}

TEST_F(ModelCacheTest, AHitSharesTheBytesOfTheCache) {
  Request& miss = request();
  EXPECT_FALSE(model_.answer(5, miss));
  EXPECT_FALSE(miss.response.answered);
  give(miss, 0, {1, 2, 3});
  give(miss, 1, {});
  ASSERT_TRUE(model_.store(5, miss));
  Request& one = request();
  Request& two = request();
  ASSERT_TRUE(model_.answer(5, one));
  ASSERT_TRUE(model_.answer(5, two));
  EXPECT_TRUE(one.response.answered);
  ASSERT_EQ(one.response.outputs.size(), 2u);
  EXPECT_EQ(floats(one.response.outputs[0]), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(one.response.outputs[0].view.shape, Shape{3});
  EXPECT_EQ(one.response.outputs[1].view.size_bytes, 0u);
  EXPECT_EQ(one.response.outputs[0].view.data, two.response.outputs[0].view.data);
  EXPECT_NE(one.response.outputs[0].view.data, miss.response.outputs[0].view.data);
}

TEST_F(ModelCacheTest, AnEvictedAnswerLivesUntilItsResponsesAreGone) {
  LocalCache small(4096);
  const ModelCache model(small, plan_);
  Request& first = request();
  give(first, 0, std::vector<float>(700, 1.5F));
  ASSERT_TRUE(model.store(1, first));
  Request& hit = request();
  ASSERT_TRUE(model.answer(1, hit));
  Request& second = request();
  give(second, 0, std::vector<float>(700, 2.5F));
  ASSERT_TRUE(model.store(2, second));
  EXPECT_EQ(small.size(), 1u);
  EXPECT_EQ(floats(hit.response.outputs[0]), std::vector<float>(700, 1.5F));
}

TEST_F(ModelCacheTest, TooLargeOrElsewhereIsNotStored) {
  LocalCache small(2048);
  const ModelCache model(small, plan_);
  Request& large = request();
  give(large, 0, std::vector<float>(512));
  EXPECT_FALSE(model.store(1, large));
  Request& elsewhere = request();
  give(elsewhere, 0, {1});
  elsewhere.response.outputs[0].view.memory = MemoryKind::kGpu;
  EXPECT_FALSE(model.store(2, elsewhere));
  EXPECT_EQ(small.size(), 0u);
}

TEST_F(ModelCacheTest, OutputsThatWereNotAskedForAreAMiss) {
  Request& only_y = request({"Y"});
  give(only_y, 1, {9});
  ASSERT_TRUE(model_.store(3, only_y));
  EXPECT_TRUE(model_.answer(3, request({"Y"})));
  EXPECT_FALSE(model_.answer(3, request({"X"})));
  EXPECT_FALSE(model_.answer(3, request()));
  Request& all = request();
  give(all, 0, {8});
  give(all, 1, {9});
  ASSERT_TRUE(model_.store(3, all));
  Request& x = request({"X"});
  ASSERT_TRUE(model_.answer(3, x));
  ASSERT_EQ(x.response.outputs.size(), 1u);
  EXPECT_EQ(x.response.outputs[0].spec, 0u);
  EXPECT_TRUE(model_.answer(3, request()));
}

TEST_F(ModelCacheTest, ModelsDoNotSeeEachOther) {
  Request& r = request();
  give(r, 0, {1});
  ASSERT_TRUE(model_.store(1, r));
  EXPECT_FALSE(ModelCache(cache_, plan_).answer(1, request()));
}

}  // namespace
}  // namespace penstock
