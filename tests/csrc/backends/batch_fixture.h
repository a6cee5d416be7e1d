// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A batch of real requests without an engine: fill requests, run an instance, look at the answers.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "batch/device_stage.h"
#include "penstock/backend.h"
#include "penstock/native_backends.h"

namespace penstock {

class RequestTestPeer {
 public:
  static void set_plan(Request& request, const ModelPlan& plan) { request.plan_ = &plan; }
};

inline TensorSpec spec_of(std::string name, DataType type, Shape dims) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.type = type;
  spec.dims = dims;
  return spec;
}

inline ModelPlan plan_of(std::int64_t max_batch_size, std::vector<TensorSpec> inputs,
                         std::vector<TensorSpec> outputs) {
  ModelPlan plan;
  plan.name = "m";
  plan.max_batch_size = max_batch_size;
  plan.inputs = std::move(inputs);
  plan.outputs = std::move(outputs);
  return plan;
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string wire_strings(const std::vector<std::string>& texts) {
  std::string wire;
  for (const auto& text : texts) {
    const auto length = static_cast<std::uint32_t>(text.size());
    wire.append(reinterpret_cast<const char*>(&length), sizeof(length)).append(text);
  }
  return wire;
}

class BatchFixture {
 public:
  explicit BatchFixture(ModelPlan plan, BufferPoolOptions pool = {})
      : plan_(std::move(plan)), pool_(make_page_allocator(), pool) {}
  ~BatchFixture() { clear(); }

  Request& add() {
    Request& request = requests_.emplace_back();
    RequestTestPeer::set_plan(request, plan_);
    return request;
  }

  // `offset`: how far from an aligned address the bytes begin.
  void give(Request& request, const std::string& input, const Shape& shape,
            const std::string& bytes, std::size_t offset = 0) {
    InputTensor* tensor = request.add_input(input);
    ASSERT_NE(tensor, nullptr);
    tensor->lease = pool_.acquire(bytes.size() + offset + 1);
    std::byte* data = tensor->lease->data + offset;
    std::memcpy(data, bytes.data(), bytes.size());
    tensor->view.type = plan_.inputs.at(tensor->spec).type;
    tensor->view.shape = shape;
    tensor->view.data = data;
    tensor->view.size_bytes = bytes.size();
  }

  // Validates every request as a submit does, then executes them as one batch.
  void run(NativeInstance& instance) {
    batch_.begin(plan_, pool_, clock_);
    for (auto& request : requests_) {
      const Status status = validate(request);
      ASSERT_TRUE(status.ok()) << status.message();
      batch_.add(&request);
    }
    if (stage_ != nullptr) {
      const Status status = stage_->bring_in(batch_);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE(stage_->wait_in().ok());
      batch_.set_stage(stage_);
    }
    instance.execute(batch_);
  }

  // Batches go to a device first.
  void stage(DeviceStage& stage) { stage_ = &stage; }

  // Forgets batch and requests, as when all are answered and sent.
  void clear() {
    batch_.clear();
    requests_.clear();
  }

  Request& request(std::size_t i) { return requests_.at(i); }
  const Status& status(std::size_t i) { return request(i).response.status; }
  // nullptr: not in the response.
  const OutputTensor* output(std::size_t i, const std::string& name) {
    const int spec = plan_.find_output(name);
    for (const auto& output : request(i).response.outputs) {
      if (static_cast<int>(output.spec) == spec) return &output;
    }
    return nullptr;
  }
  std::string output_bytes(std::size_t i, const std::string& name) {
    const OutputTensor* tensor = output(i, name);
    if (tensor == nullptr) return "(no output " + name + ")";
    return {reinterpret_cast<const char*>(tensor->view.data), tensor->view.size_bytes};
  }
  std::string output_shape(std::size_t i, const std::string& name) {
    const OutputTensor* tensor = output(i, name);
    return tensor == nullptr ? "(no output " + name + ")" : to_string(tensor->view.shape);
  }

  const ModelPlan& plan() const { return plan_; }
  Batch& batch() { return batch_; }
  BufferPool& pool() { return pool_; }

 private:
  const ModelPlan plan_;
  BufferPool pool_;
  RealClock clock_;
  DeviceStage* stage_ = nullptr;
  std::deque<Request> requests_;
  Batch batch_;
};

}  // namespace penstock
