// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Ragged batches: flat inputs, batch inputs and batch outputs (contract C-4, 2.4, S-5).
#include <gtest/gtest.h>

#include <vector>

#include "batch/shapes.h"
#include "penstock/backend.h"
#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

using testing::add_input;
using testing::tensor_spec;

// IN[-1] ragged, COUNTS the sums of its elements, OUT cut by it.
ModelPlan ragged_plan() {
  ModelPlan plan = testing::dynamic_plan(8);
  plan.inputs[0].dims = Shape{-1};
  plan.inputs[0].allow_ragged_batch = true;
  plan.inputs.push_back(tensor_spec("COUNTS", DataType::kInt32, Shape{-1}));
  plan.inputs[1].source = TensorSource::kBatch;
  plan.supplied_inputs = 1;
  plan.batch_inputs.push_back({BatchInputKind::kAccumulatedElementCountWithZero, 0});
  plan.outputs[0].dims = Shape{-1};
  plan.batch_outputs.push_back({0, 0});
  return plan;
}

class RaggedBatch : public ::testing::Test {
 protected:
  RaggedBatch() : pool_(make_page_allocator(), {}), slots_(16), plan_(ragged_plan()) {}
  ~RaggedBatch() override {
    batch_.clear();
    for (auto* request : requests_) slots_.release(request);
    EXPECT_EQ(pool_.stats().in_use_bytes, 0u);  // every lease came back
  }

  Request* request(Shape shape, const std::vector<float>& values) {
    Request* r = bare();
    r->batch_size = shape[0];
    add_input<float>(*r, pool_, "IN", DataType::kFp32, shape, values);
    return r;
  }
  Request* bare() {
    Request* r = slots_.acquire();
    RequestTestPeer::bind(*r, plan_);
    requests_.push_back(r);
    return r;
  }
  void form() {
    ASSERT_TRUE(plan_.check().ok()) << plan_.check().message();
    batch_.begin(plan_, pool_, clock_);
    for (auto* r : requests_) batch_.add(r);
  }
  template <typename T>
  std::vector<T> gathered(std::uint32_t spec, Shape* shape = nullptr) {
    TensorView view;
    const Status status = batch_.gather(spec, view);
    EXPECT_TRUE(status.ok()) << status.message();
    if (shape != nullptr) *shape = view.shape;
    return values_of<T>(view);
  }
  Status scatter(const std::vector<float>& values, Shape shape) {
    lease_ = testing::bytes(pool_, values.data(), values.size() * sizeof(float));
    TensorView view;
    view.type = DataType::kFp32;
    view.shape = shape;
    view.data = lease_->data;
    view.size_bytes = values.size() * sizeof(float);
    Status status = batch_.scatter(0, view, lease_);
    lease_.reset();
    return status;
  }
  template <typename T>
  static std::vector<T> values_of(const TensorView& view) {
    std::vector<T> values(view.size_bytes / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), view.data, view.size_bytes);
    return values;
  }
  static const OutputTensor& answer(const Request* r) { return r->response.outputs[0]; }

  BufferPool pool_;
  RequestPool slots_;
  ManualClock clock_;
  ModelPlan plan_;
  std::vector<Request*> requests_;
  BufferLease lease_;
  Batch batch_;
};

TEST_F(RaggedBatch, RequestsOfAllShapesLieFlatOneBehindTheOther) {
  Request* a = request(Shape{1, 3}, {1, 2, 3});
  Request* b = request(Shape{2, 1}, {4, 5});
  Request* c = request(Shape{1, 0}, {});
  EXPECT_TRUE(can_share_batch(*a, *b));
  EXPECT_TRUE(can_share_batch(*b, *c));
  form();
  Shape shape;
  EXPECT_EQ(gathered<float>(0, &shape), (std::vector<float>{1, 2, 3, 4, 5}));
  EXPECT_EQ(shape, Shape{5});
  EXPECT_EQ(gathered<std::int32_t>(1, &shape), (std::vector<std::int32_t>{0, 3, 5, 5}));
  EXPECT_EQ(shape, Shape{4});
}

TEST_F(RaggedBatch, OneRequestIsFlatToo) {
  Request* a = request(Shape{2, 2}, {1, 2, 3, 4});
  form();
  Shape shape;
  TensorView view;
  ASSERT_TRUE(batch_.gather(0, view).ok());
  EXPECT_EQ(view.data, a->inputs[0].view.data);  // and not copied
  EXPECT_EQ(view.shape, Shape{4});
  EXPECT_EQ(gathered<std::int32_t>(1, &shape), (std::vector<std::int32_t>{0, 4}));
}

TEST_F(RaggedBatch, BatchInputsAreNoSingleRequests) {
  request(Shape{1, 1}, {1});
  form();
  TensorView view;
  EXPECT_FALSE(batch_.input(0, 1, view));
}

TEST_F(RaggedBatch, OtherInputsStillDecideWhoFits) {  // S-2.2, S-5
  plan_.inputs.insert(plan_.inputs.begin() + 1, tensor_spec("SAME", DataType::kFp32, Shape{-1}));
  Request* a = request(Shape{1, 3}, {1, 2, 3});
  Request* b = request(Shape{1, 1}, {4});
  Request* c = request(Shape{1, 2}, {5, 6});
  add_input<float>(*a, pool_, "SAME", DataType::kFp32, Shape{1, 2}, {0, 0});
  add_input<float>(*b, pool_, "SAME", DataType::kFp32, Shape{1, 2}, {0, 0});
  add_input<float>(*c, pool_, "SAME", DataType::kFp32, Shape{1, 1}, {0});
  EXPECT_TRUE(can_share_batch(*a, *b));
  EXPECT_FALSE(can_share_batch(*a, *c));
}

TEST_F(RaggedBatch, BatchInputsSeeTheBackEndsShape) {  // C-2
  plan_.inputs[0].dims = Shape{2, -1};
  plan_.inputs[0].reshape = Shape{-1, 1, 2};
  plan_.batch_inputs[0].kind = BatchInputKind::kItemShape;
  plan_.inputs[1].dims = Shape{-1, 3};
  request(Shape{1, 2, 3}, {1, 2, 3, 4, 5, 6});
  request(Shape{1, 2, 1}, {7, 8});
  form();
  Shape shape;
  EXPECT_EQ(gathered<std::int32_t>(1, &shape), (std::vector<std::int32_t>{3, 1, 2, 1, 1, 2}));
  EXPECT_EQ(shape, (Shape{2, 3}));
}

TEST_F(RaggedBatch, ABatchInputIsAbsentWithItsSource) {  // C-3
  plan_.inputs[0].optional = true;
  bare();
  form();
  TensorView view;
  ASSERT_TRUE(batch_.gather(1, view).ok());
  EXPECT_EQ(view.type, DataType::kInvalid);
  const Status status = scatter({1}, Shape{1});
  EXPECT_EQ(status.code(), Code::kInvalidArg);
  EXPECT_EQ(status.message(),
            "output 'OUT' of model 'm' takes its shape from input 'IN', which was not given");
}

TEST_F(RaggedBatch, FlatOutputsAreCutByTheShapesOfTheirInput) {
  Request* a = request(Shape{1, 3}, {1, 2, 3});
  Request* b = request(Shape{2, 1}, {4, 5});
  Request* c = request(Shape{1, 0}, {});
  form();
  const Status status = scatter({10, 20, 30, 40, 50}, Shape{5});
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(answer(a).view.shape, (Shape{1, 3}));
  EXPECT_EQ(answer(b).view.shape, (Shape{2, 1}));
  EXPECT_EQ(answer(c).view.shape, (Shape{1, 0}));
  EXPECT_EQ(values_of<float>(answer(a).view), (std::vector<float>{10, 20, 30}));
  EXPECT_EQ(values_of<float>(answer(b).view), (std::vector<float>{40, 50}));
  EXPECT_EQ(answer(b).view.data, answer(a).view.data + 12);  // not copied
}

TEST_F(RaggedBatch, AnOutputOfAnotherSizeIsTheModelsFault) {
  request(Shape{1, 3}, {1, 2, 3});
  request(Shape{1, 1}, {4});
  form();
  for (const std::size_t count : {0U, 3U, 5U}) {
    const Status status =
        scatter(std::vector<float>(count), Shape{static_cast<std::int64_t>(count)});
    EXPECT_EQ(status.code(), Code::kInternal);
    EXPECT_EQ(status.message(), "output 'OUT' of model 'm' has " + std::to_string(count) +
                                    " elements, the shapes of input 'IN' need 4");
  }
}

TEST_F(RaggedBatch, StringsAreCutByTheirLengths) {
  plan_.outputs[0].type = DataType::kBytes;
  Request* a = request(Shape{1, 2}, {1, 2});
  Request* b = request(Shape{1, 1}, {3});
  form();
  const std::string wire("\1\0\0\0a\0\0\0\0\2\0\0\0bc", 15);
  const BufferLease lease = testing::bytes(pool_, wire.data(), wire.size());
  TensorView view;
  view.type = DataType::kBytes;
  view.shape = Shape{3};
  view.data = lease->data;
  view.size_bytes = wire.size();
  ASSERT_TRUE(batch_.scatter(0, view, lease).ok());
  EXPECT_EQ(answer(a).view.size_bytes, 9u);
  EXPECT_EQ(answer(b).view.size_bytes, 6u);
  view.size_bytes = 10;  // a string too few
  EXPECT_EQ(batch_.scatter(0, view, lease).code(), Code::kInternal);
}

TEST_F(RaggedBatch, PlansThatNobodyCanServeAreRefused) {
  const auto error = [](auto change) {
    ModelPlan plan = ragged_plan();
    change(plan);
    return plan.check().message();
  };
  EXPECT_EQ(error([](ModelPlan& p) { p.batch_inputs.clear(); }),
            "input 'COUNTS' of model 'm' has no source");
  EXPECT_EQ(error([](ModelPlan& p) { p.batch_inputs[0].source_input = 1; }),
            "input 'COUNTS' of model 'm' has no source");
  EXPECT_EQ(error([](ModelPlan& p) { p.inputs[1].type = DataType::kInt64; }),
            "batch input data type must be TYPE_INT32 or TYPE_FP32");
  EXPECT_EQ(error([](ModelPlan& p) { p.batch_outputs[0].source_input = 9; }),
            "a batch output of model 'm' has no source");
  EXPECT_EQ(error([](ModelPlan& p) { p.inputs[1].name = "IN"; }), "input 'IN' is specified twice");
}

}  // namespace
}  // namespace penstock
