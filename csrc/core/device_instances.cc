// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: instances whose tensors are in a GPU's memory.
#include <algorithm>
#include <utility>

#include "core/served_model.h"

namespace penstock {

Status ServedModel::prepare() {
  if (context_.devices == nullptr || !plan_->uses_devices()) return {};
  pipelines_.resize(plan_->instance_count);
  // An instance that asks the rate limiter again has given back what it held.
  const std::size_t batches = limited_ ? 1 : DevicePipeline::kMaxBatches;
  for (std::uint32_t index = 0; index < plan_->instance_count; ++index) {
    const std::int32_t device = plan_->instance_devices[index];
    if (device < 0) continue;
    auto pipeline = DevicePipeline::create(
        *context_.devices, context_.pool, device, batches,
        [this, index](Batch& batch) { return !leave_to_others(index) && pull(index, batch); });
    if (!pipeline.ok()) {
      return pipeline.take_status().with_prefix("model '" + plan_->name + "': ");
    }
    pipelines_[index] = std::move(pipeline.value());
  }
  return {};
}

bool ServedModel::next_on_device(std::uint32_t index, Batch& batch) {
  for (;;) {
    auto staged = pipelines_[index]->next(batch);
    if (staged.ok()) return staged.value();
    batch.fail_all(staged.status());
    complete(index, batch);
  }
}

// An instance whose GPU is lost answers errors, and fast: it would take everything from the others.
// The one that is left when all are lost stays, so that requests are answered.
bool ServedModel::leave_to_others(std::uint32_t index) const {
  const CudaRuntime& cuda = *context_.devices->runtime();
  const auto& devices = plan_->instance_devices;
  if (cuda.lost(devices[index]).ok() || !gate_.is_open()) return false;
  return std::any_of(devices.begin(), devices.end(),
                     [&](std::int32_t device) { return device < 0 || cuda.lost(device).ok(); });
}

void ServedModel::set_problem(std::string problem) {
  std::lock_guard lock(problem_mutex_);
  problem_ = std::move(problem);
}

Status ServedModel::health() const {
  {
    std::lock_guard lock(problem_mutex_);
    if (!problem_.empty()) return unavailable(problem_);
  }
  if (pipelines_.empty()) return {};
  Status lost;
  for (const std::int32_t device : plan_->instance_devices) {
    Status status = device < 0 ? Status{} : context_.devices->runtime()->lost(device);
    if (status.ok()) return {};
    if (lost.ok()) lost = std::move(status);
  }
  return lost;
}

}  // namespace penstock
