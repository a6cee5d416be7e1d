// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
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

class BatchTest : public ::testing::Test {
 protected:
  BatchTest() : pool_(make_page_allocator(), {}), slots_(16), plan_(testing::pair_plan(8)) {}
  ~BatchTest() override {
    batch_.clear();
    for (auto* request : requests_) slots_.release(request);
    EXPECT_EQ(pool_.stats().in_use_bytes, 0u);  // every lease came back
  }

  Request* request(std::int64_t rows, const std::vector<float>& values) {
    Request* r = slots_.acquire();
    RequestTestPeer::bind(*r, plan_);
    add_input<float>(*r, pool_, "IN", DataType::kFp32, Shape{rows, 2}, values);
    r->batch_size = rows;
    requests_.push_back(r);
    return r;
  }
  void form() {
    batch_.begin(plan_, pool_, clock_);
    for (auto* r : requests_) batch_.add(r);
  }
  TensorView view_of(const BufferLease& lease, DataType type, Shape shape, std::size_t size) {
    TensorView view;
    view.type = type;
    view.shape = shape;
    view.data = lease->data;
    view.size_bytes = size;
    return view;
  }

  BufferPool pool_;
  RequestPool slots_;
  ManualClock clock_;
  ModelPlan plan_;
  std::vector<Request*> requests_;
  Batch batch_;
};

std::vector<float> floats(const TensorView& view) {
  std::vector<float> values(view.size_bytes / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), view.data, view.size_bytes);
  return values;
}

TEST_F(BatchTest, OneRequestPassesThroughUncopied) {
  Request* r = request(2, {1, 2, 3, 4});
  form();
  TensorView view;
  ASSERT_TRUE(batch_.gather(0, view).ok());
  EXPECT_EQ(view.data, r->inputs[0].view.data);
  EXPECT_EQ(view.shape, (Shape{2, 2}));
}

TEST_F(BatchTest, GatherLaysRequestsSideBySide) {
  request(1, {1, 2});
  request(2, {3, 4, 5, 6});
  form();
  TensorView view;
  ASSERT_TRUE(batch_.gather(0, view).ok());
  EXPECT_EQ(view.shape, (Shape{3, 2}));
  EXPECT_EQ(floats(view), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(batch_.total_batch_size(), 3);
}

TEST_F(BatchTest, GatherOfAnAbsentOptionalInputIsInvalid) {
  plan_.inputs.push_back(tensor_spec("OPT", DataType::kInt32, Shape{1}));
  plan_.inputs[1].optional = true;
  request(1, {1, 2});
  form();
  TensorView view;
  ASSERT_TRUE(batch_.gather(1, view).ok());
  EXPECT_EQ(view.type, DataType::kInvalid);
}

TEST_F(BatchTest, RaggedInputsAreFlat) {  // C-4
  plan_.inputs[0].dims = Shape{-1};
  plan_.inputs[0].allow_ragged_batch = true;
  Request* a = request(1, {1, 2});
  Request* b = request(1, {3, 4});
  b->inputs[0].view.shape = Shape{1, 2};
  EXPECT_TRUE(can_share_batch(*a, *b));
  form();
  TensorView view;
  ASSERT_TRUE(batch_.gather(0, view).ok());
  EXPECT_EQ(view.shape, Shape{4});
}

TEST_F(BatchTest, ScatterSlicesWithoutCopy) {
  Request* a = request(1, {1, 2});
  Request* b = request(2, {3, 4, 5, 6});
  form();
  const std::vector<float> values{10, 20, 30, 40, 50, 60};
  const BufferLease lease = testing::bytes(pool_, values.data(), 24);
  ASSERT_TRUE(batch_.scatter(0, view_of(lease, DataType::kFp32, Shape{3, 2}, 24), lease).ok());
  ASSERT_EQ(b->response.outputs.size(), 1u);
  EXPECT_EQ(a->response.outputs[0].view.data, lease->data);
  EXPECT_EQ(b->response.outputs[0].view.data, lease->data + 8);
  EXPECT_EQ(b->response.outputs[0].view.shape, (Shape{2, 2}));
  EXPECT_EQ(floats(b->response.outputs[0].view), (std::vector<float>{30, 40, 50, 60}));
}

TEST_F(BatchTest, RequestsWithoutRowsTakePart) {  // C-8
  request(0, {});
  Request* two = request(2, {1, 2, 3, 4});
  request(0, {});
  form();
  TensorView view;
  BufferLease lease;
  ASSERT_TRUE(batch_.gather(0, view, &lease).ok());
  EXPECT_EQ(view.shape, (Shape{2, 2}));
  ASSERT_TRUE(batch_.scatter(0, view, lease).ok());
  for (Request* r : requests_) {
    const OutputTensor& out = r->response.outputs[0];
    EXPECT_EQ(out.view.shape, (Shape{r == two ? 2 : 0, 2}));
    EXPECT_EQ(floats(out.view), r == two ? (std::vector<float>{1, 2, 3, 4}) : std::vector<float>{});
  }
}

TEST_F(BatchTest, BatchesWithoutAnyRow) {
  request(0, {});
  request(0, {});
  form();
  TensorView view;
  BufferLease lease;
  ASSERT_TRUE(batch_.gather(0, view, &lease).ok());
  EXPECT_EQ(view.shape, (Shape{0, 2}));
  ASSERT_TRUE(batch_.scatter(0, view, lease).ok());
  EXPECT_EQ(requests_[1]->response.outputs[0].view.size_bytes, 0u);
}

TEST_F(BatchTest, EmptyShapeTensorsAreEqual) {  // C-5
  plan_.inputs[0].is_shape_tensor = true;
  Request* a = request(0, {});
  Request* b = request(0, {});
  a->inputs[0].view.data = nullptr;
  EXPECT_TRUE(can_share_batch(*a, *b));
  EXPECT_FALSE(can_share_batch(*a, *request(1, {1, 2})));
}

TEST_F(BatchTest, ScatterSlicesStrings) {
  plan_.outputs[0] = tensor_spec("OUT", DataType::kBytes, Shape{1});
  Request* a = request(1, {1, 2});
  Request* b = request(1, {3, 4});
  form();
  const unsigned char data[] = {3, 0, 0, 0, 'a', 'b', 'c', 1, 0, 0, 0, 'x'};
  const BufferLease lease = testing::bytes(pool_, data, sizeof(data));
  ASSERT_TRUE(
      batch_.scatter(0, view_of(lease, DataType::kBytes, Shape{2, 1}, sizeof(data)), lease).ok());
  EXPECT_EQ(a->response.outputs[0].view.size_bytes, 7u);
  EXPECT_EQ(b->response.outputs[0].view.size_bytes, 5u);
  EXPECT_EQ(b->response.outputs[0].view.data, lease->data + 7);
}

TEST_F(BatchTest, RefusesOutputsThatAreNotWhatTheModelSays) {
  request(1, {1, 2});
  request(1, {3, 4});
  form();
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const BufferLease lease = testing::bytes(pool_, values.data(), 24);
  const auto text = [&](DataType type, Shape shape, std::size_t size) {
    const Status status = batch_.scatter(0, view_of(lease, type, shape, size), lease);
    EXPECT_EQ(status.code(), Code::kInternal);
    return status.message();
  };
  EXPECT_EQ(text(DataType::kInt32, Shape{2, 2}, 16),
            "unexpected data type for output 'OUT' of model 'm'. Expected FP32, got INT32");
  EXPECT_EQ(text(DataType::kFp32, Shape{2, 3}, 24),
            "unexpected shape for output 'OUT' of model 'm'. Expected [-1,2], got [2,3]");
  EXPECT_EQ(text(DataType::kFp32, Shape{3, 2}, 24),
            "output 'OUT' of model 'm' has shape [3,2] for a batch of 2");
  EXPECT_EQ(text(DataType::kFp32, Shape{2, 2}, 12),
            "output 'OUT' of model 'm' has 12 bytes, its shape [2,2] needs 16");
}

TEST_F(BatchTest, TakesOutputsAsGivenWhereThePlanSaysSo) {
  plan_.outputs_as_given = true;
  request(1, {1, 2});
  form();
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const BufferLease lease = testing::bytes(pool_, values.data(), 24);
  const auto set = [&](DataType type, Shape shape, std::size_t size) {
    return batch_.set_output(0, 0, view_of(lease, type, shape, size), lease);
  };
  EXPECT_TRUE(plan_.describes(0, DataType::kFp32, Shape{1, 2}));
  EXPECT_FALSE(plan_.describes(0, DataType::kInt32, Shape{1, 2}));
  EXPECT_FALSE(plan_.describes(0, DataType::kFp32, Shape{2}));
  ASSERT_TRUE(set(DataType::kInt32, Shape{3, 2, 1}, 24).ok());
  const TensorView& out = requests_[0]->response.outputs[0].view;
  EXPECT_EQ(out.type, DataType::kInt32);
  EXPECT_EQ(out.shape, (Shape{3, 2, 1}));
  // Its bytes are what its shape says, whatever that is.
  EXPECT_EQ(set(DataType::kInt32, Shape{3, 2}, 12).message(),
            "output 'OUT' of model 'm' has 12 bytes, its shape [3,2] needs 24");
  EXPECT_EQ(set(DataType::kBytes, Shape{-1}, 0).code(), Code::kInternal);
  EXPECT_EQ(set(DataType::kBytes, Shape{2}, 24).code(), Code::kInternal);
}

TEST_F(BatchTest, AStateIsWhatTheConfigurationSays) {
  plan_.outputs_as_given = true;
  plan_.sequence.states.emplace_back().output = 0;
  request(1, {1, 2});
  form();
  const std::vector<float> values{1, 2};
  const BufferLease lease = testing::bytes(pool_, values.data(), 8);
  const TensorView view = view_of(lease, DataType::kInt32, Shape{1, 2}, 8);
  EXPECT_EQ(batch_.set_output(0, 0, view, lease).message(),
            "unexpected data type for output 'OUT' of model 'm'. Expected FP32, got INT32");
}

TEST_F(BatchTest, SkipsOutputsThatWereNotAskedFor) {
  plan_.outputs.push_back(tensor_spec("OTHER", DataType::kFp32, Shape{2}));
  Request* a = request(1, {1, 2});
  a->add_output("OTHER");
  form();
  const std::vector<float> values{1, 2};
  const BufferLease lease = testing::bytes(pool_, values.data(), 8);
  const TensorView view = view_of(lease, DataType::kFp32, Shape{1, 2}, 8);
  ASSERT_TRUE(batch_.set_output(0, 0, view, lease).ok());
  ASSERT_TRUE(batch_.set_output(0, 1, view, lease).ok());
  ASSERT_EQ(a->response.outputs.size(), 1u);
  EXPECT_EQ(a->response.outputs[0].spec, 1u);
}

TEST_F(BatchTest, ReshapeBothWays) {  // C-2
  plan_.inputs[0].dims = Shape{2, -1, -1};
  plan_.inputs[0].reshape = Shape{-1, 2, -1};
  plan_.outputs[0].dims = Shape{1};
  plan_.outputs[0].reshape = Shape{};
  EXPECT_EQ(backend_shape(plan_.inputs[0], Shape{7, 2, 3, 4}, true), (Shape{7, 3, 2, 4}));
  Shape client;
  ASSERT_TRUE(client_shape(plan_, plan_.outputs[0], Shape{5}, client).ok());
  EXPECT_EQ(client, (Shape{5, 1}));
}

TEST_F(BatchTest, OnlyEqualInputSetsShareABatch) {  // C-3, X-32
  plan_.inputs.push_back(tensor_spec("OPT", DataType::kFp32, Shape{1}));
  plan_.inputs[1].optional = true;
  Request* a = request(1, {1, 2});
  Request* b = request(1, {1, 2});
  EXPECT_TRUE(can_share_batch(*a, *b));
  add_input<float>(*b, pool_, "OPT", DataType::kFp32, Shape{1, 1}, {1});
  EXPECT_FALSE(can_share_batch(*a, *b));
  EXPECT_FALSE(can_share_batch(*b, *a));
}

}  // namespace
}  // namespace penstock
