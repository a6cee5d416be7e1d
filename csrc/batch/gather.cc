// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Batch: the inputs of all rows as one tensor.
#include <cstring>
#include <string>

#include "batch/batch_inputs.h"
#include "batch/device_stage.h"
#include "penstock/backend.h"

namespace penstock {

// Whether the rows' inputs lie one behind the other, as those do that another process has gathered.
bool Batch::contiguous(std::uint32_t spec) const {
  const InputTensor* before = find(0, spec);
  for (std::size_t i = 1; i < rows_.size(); ++i) {
    const InputTensor* next = find(i, spec);
    const bool joined = next->lease && next->lease.get() == before->lease.get() &&
                        next->view.data == before->view.data + before->view.size_bytes;
    if (!joined) return false;
    before = next;
  }
  return true;
}

Status Batch::concatenate(std::uint32_t spec, TensorView& view, BufferLease& lease) {
  std::size_t total = 0;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const TensorView& part = find(i, spec)->view;
    total += part.size_bytes;  // each was received: the sum of what is in memory
    rows += part.shape.empty() ? 0 : part.shape[0];
  }
  view.size_bytes = total;
  if (!view.shape.empty()) view.shape[0] = rows;
  if (contiguous(spec)) return {};
  lease = pool_->acquire(total);
  if (!lease) {
    return unavailable("no memory to gather input '" + plan_->inputs[spec].name + "' of model '" +
                       plan_->name + "': " + std::to_string(total) + " bytes");
  }
  std::byte* to = lease->data;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const TensorView& part = find(i, spec)->view;
    if (part.size_bytes > 0) std::memcpy(to, part.data, part.size_bytes);
    to += part.size_bytes;
  }
  view.data = lease->data;
  view.memory = lease->memory;
  gathered_.append() = lease;
  return {};
}

Status Batch::gather(std::uint32_t spec, TensorView& view, BufferLease* lease) {
  if (stage_ != nullptr && stage_->find(spec, view, lease)) return {};
  view = TensorView{};
  BufferLease keeper;
  if (rows_.empty()) return {};
  if (!input(0, spec, view, &keeper)) {
    const TensorSource source = plan_->inputs[spec].source;
    if (source == TensorSource::kBatch) return make_batch_input(spec, view, lease);
    if (source != TensorSource::kControl) return {};
    return unavailable("no memory for the control inputs of model '" + plan_->name + "'");
  }
  if (rows_.size() > 1) PENSTOCK_RETURN_IF_ERROR(concatenate(spec, view, keeper));
  if (plan_->inputs[spec].allow_ragged_batch) {  // C-4: ragged inputs are flat, also alone
    view.shape = Shape{ragged_elements(spec)};
  }
  if (lease != nullptr) *lease = std::move(keeper);
  return {};
}

std::int64_t Batch::ragged_elements(std::uint32_t spec) const {
  std::uint64_t elements = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    elements += element_count(find(i, spec)->view.shape).value_or(0);
  }
  return static_cast<std::int64_t>(elements);
}

// 2.4. Absent where its source is: rows of a batch have the same inputs.
Status Batch::make_batch_input(std::uint32_t spec, TensorView& view, BufferLease* lease) {
  const TensorSpec& tensor = plan_->inputs[spec];
  const BatchInput& made = plan_->batch_inputs[tensor.source_index];
  source_shapes_.clear();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    TensorView source;
    if (!input(i, made.source_input, source)) return {};
    source_shapes_.push_back(source.shape);
  }
  const Shape shape = batch_input_shape(made.kind, source_shapes_, plan_->batching());
  const auto size = byte_size(tensor.type, shape).value_or(SIZE_MAX);
  BufferLease keeper = pool_->acquire(size);
  if (!keeper) {
    return unavailable("no memory for batch input '" + tensor.name + "' of model '" + plan_->name +
                       "': " + std::to_string(size) + " bytes");
  }
  if (!write_batch_input(made.kind, tensor.type, source_shapes_, plan_->batching(), keeper->data)) {
    return invalid_arg("batch input '" + tensor.name + "' of model '" + plan_->name +
                       "' cannot hold the element counts of a batch of " +
                       std::to_string(rows_.size()) + " requests");
  }
  view.type = tensor.type;
  view.shape = shape;
  view.data = keeper->data;
  view.size_bytes = size;
  view.memory = keeper->memory;
  gathered_.append() = keeper;
  if (lease != nullptr) *lease = std::move(keeper);
  return {};
}

}  // namespace penstock
