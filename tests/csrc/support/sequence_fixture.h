// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A sequence scheduler on a manual clock, its clients and its instances, all on one thread.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch/sequence_rows.h"
#include "sched/scheduler.h"
#include "support/requests.h"
#include "support/sequence_plans.h"

namespace penstock::testing {

constexpr std::int64_t kUs = 1000;
constexpr std::uint32_t kStart = kSequenceStart;
constexpr std::uint32_t kEnd = kSequenceEnd;

class SequenceTest : public ::testing::Test, public RejectSink {
 protected:
  SequenceTest() : pool_(make_page_allocator(), {}), slots_(256) {}
  ~SequenceTest() override {
    for (auto& [instance, batch] : batches_) batch.clear();
    for (auto* request : requests_) {
      const RequestState state = request->state();
      if (state != RequestState::kFilling && state != RequestState::kDone) {
        request->set_state(RequestState::kDone);
      }
    }
    scheduler_.reset();
    for (auto* request : requests_) slots_.release(request);
  }
  void make(ModelPlan plan) {
    plan_ = std::move(plan);
    ASSERT_EQ(plan_.check().message(), "");
    scheduler_ = make_scheduler(plan_, clock_, *this);
  }

  // ---- clients ----
  Request* request(std::uint64_t id, std::uint32_t flags, float value = 0) {
    Request* r = slots_.acquire();
    RequestTestPeer::bind(*r, plan_);
    const Shape shape = plan_.batching() ? Shape{1, 1} : Shape{1};
    add_input<float>(*r, pool_, "IN", DataType::kFp32, shape, {value});
    r->correlation_id = id;
    r->flags = flags;
    requests_.push_back(r);
    return r;
  }
  Request* submit(Request* r) {
    const Status status = scheduler_->submit(*r);
    EXPECT_TRUE(status.ok()) << status.message();
    return r;
  }
  Request* submit(std::uint64_t id, std::uint32_t flags, float value = 0) {
    return submit(request(id, flags, value));
  }
  std::string refusal(Request* r, Code code = Code::kInvalidArg) {
    const Status status = scheduler_->submit(*r);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(r->state(), RequestState::kFilling);
    return status.message();
  }
  std::string refusal(std::uint64_t id, std::uint32_t flags) { return refusal(request(id, flags)); }
  void cancel(Request* r) { EXPECT_TRUE(slots_.cancel(r->handle())); }
  void notice(std::string line) override { notices_.push_back(std::move(line)); }
  void reject(Request* request, Status status, FailureReason reason) override {
    request->set_state(RequestState::kDone);
    rejected_.push_back(request);
    reasons_.push_back(reason);
    request->response.status = std::move(status);
  }

  // ---- instances ----
  Poll poll(std::uint32_t instance = 0) {
    Batch& batch = batches_[instance];
    batch.begin(plan_, pool_, clock_);
    const Poll polled = scheduler_->poll(instance, clock_.now_ns(), batch);
    // A batch that is still executing is polled over by some tests.
    for (Request* r : batch.requests()) {
      if (r->state() == RequestState::kBatched) r->set_state(RequestState::kExecuting);
    }
    return polled;
  }
  // The rows of the batch that the instance gets now; nullptr is padding; {} when there is none.
  std::vector<Request*> start(std::uint32_t instance = 0) {
    if (poll(instance).kind != PollKind::kBatch) return {};
    std::vector<Request*> rows;
    Batch& batch = batches_[instance];
    for (std::size_t i = 0; i < batch.size(); ++i) {
      rows.push_back(batch.padding(i) ? nullptr : &batch.request(i));
    }
    return rows;
  }
  void finish(std::uint32_t instance = 0) {
    Batch& batch = batches_[instance];
    scheduler_->finished(instance, batch);
    for (Request* r : batch.requests()) r->set_state(RequestState::kDone);
    batch.clear();
  }
  // Starts and finishes it.
  std::vector<Request*> run(std::uint32_t instance = 0) {
    std::vector<Request*> rows = start(instance);
    if (!rows.empty()) finish(instance);
    return rows;
  }
  Batch& batch(std::uint32_t instance = 0) { return batches_[instance]; }
  std::uint32_t spec(const char* input) const {
    return static_cast<std::uint32_t>(plan_.find_model_input(input));
  }
  // An input of the batch at hand as numbers, one a row (or more, of states).
  template <typename T>
  std::vector<T> values(const char* input, std::uint32_t instance = 0) {
    TensorView view;
    EXPECT_TRUE(batches_[instance].gather(spec(input), view).ok());
    std::vector<T> numbers(view.size_bytes / sizeof(T));
    std::memcpy(numbers.data(), view.data, view.size_bytes);
    return numbers;
  }
  // An output of the whole batch, in the shape of `rows` rows.
  Status give(const char* output, const std::vector<float>& numbers, std::uint32_t instance = 0) {
    Batch& batch = batches_[instance];
    const BufferLease lease = bytes(pool_, numbers.data(), numbers.size() * sizeof(float));
    TensorView view;
    view.type = DataType::kFp32;
    const auto rows = static_cast<std::int64_t>(batch.size());
    const auto own = static_cast<std::int64_t>(numbers.size()) / rows;
    view.shape = plan_.batching() ? Shape{rows, own} : Shape{own};
    view.data = lease->data;
    view.size_bytes = numbers.size() * sizeof(float);
    return batch.scatter(static_cast<std::uint32_t>(plan_.find_model_output(output)), view, lease);
  }

  ManualClock clock_;
  BufferPool pool_;
  RequestPool slots_;
  ModelPlan plan_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Request*> requests_;
  std::vector<Request*> rejected_;
  std::vector<std::string> notices_;
  std::vector<FailureReason> reasons_;
  std::map<std::uint32_t, Batch> batches_;
};

}  // namespace penstock::testing
