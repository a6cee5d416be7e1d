// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Batch: what is different for an instance whose tensors are in a GPU's memory.
#include <string>
#include <utility>

#include "batch/device_stage.h"
#include "batch/outputs.h"
#include "batch/sequence_rows.h"
#include "penstock/backend.h"

namespace penstock {
namespace {

const RegionWindow kNoWindow;

const RegionWindow& window_of(const Request& request, std::uint32_t spec) {
  for (const RequestedOutput& output : request.outputs) {
    if (output.spec == spec) return output.window;
  }
  return kNoWindow;
}

}  // namespace

std::int32_t Batch::device() const { return stage_ == nullptr ? -1 : stage_->device(); }

void* Batch::stream() const { return stage_ == nullptr ? nullptr : stage_->stream().get(); }

BufferLease Batch::allocate_on_device(std::size_t size_bytes) {
  return stage_ == nullptr ? BufferLease{} : stage_->pool().acquire(size_bytes);
}

void Batch::swap(Batch& other) noexcept {
  std::swap(plan_, other.plan_);
  std::swap(pool_, other.pool_);
  std::swap(clock_, other.clock_);
  rows_.swap(other.rows_);
  requests_.swap(other.requests_);
  sequence_.swap(other.sequence_);
  std::swap(stage_, other.stage_);
  std::swap(any_rescheduled_, other.any_rescheduled_);
  std::swap(any_deferred_, other.any_deferred_);
  std::swap(total_batch_size_, other.total_batch_size_);
  std::swap(exec_start_ns_, other.exec_start_ns_);
  std::swap(exec_end_ns_, other.exec_end_ns_);
  std::swap(gathered_, other.gathered_);
}

Status on_no_device(const ModelPlan& plan, std::uint32_t spec, const TensorView& view) {
  return internal_error("output '" + plan.outputs[spec].name + "' of model '" + plan.name +
                        "' is in the memory of GPU " + std::to_string(view.device) +
                        ", expected the host's");
}

Status Batch::offer(std::uint32_t spec, const TensorView& view, const BufferLease& lease) {
  if (stage_ == nullptr || view.device != stage_->device() || view.type == DataType::kBytes) {
    return on_no_device(*plan_, spec, view);
  }
  stage_->offer(view, lease);
  return {};
}

Status Batch::give_from_device(std::size_t i, std::uint32_t spec, TensorView view) {
  Request& request = *rows_[i];
  if (unanswered(i) || !request.wants_output(spec)) {
    request.response.answered = true;
    return {};
  }
  BufferLease lease;
  // What is to be cached must be where it can be read.
  const RegionWindow& window = plan_->cached ? kNoWindow : window_of(request, spec);
  Status status = stage_->place(window, view, lease);
  if (!status.ok()) {
    return std::move(status).with_prefix("output '" + plan_->outputs[spec].name + "' of model '" +
                                         plan_->name + "': ");
  }
  give_output(request, request.response, spec, view, lease);
  return {};
}

}  // namespace penstock
