// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/device_stage.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace penstock {
namespace {

// As CUDA's allocations begin. Kernels count on it, and a misaligned access costs the device.
constexpr std::size_t kDeviceAlignment = 256;

// Strings and shapes are for the processor to read, whatever computes the rest.
bool for_device(const TensorSpec& spec) {
  return spec.type != DataType::kBytes && !spec.is_shape_tensor;
}

bool any_on_device(const Batch& batch, std::uint32_t spec) {
  TensorView row;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch.input(i, spec, row) && row.memory == MemoryKind::kGpu) return true;
  }
  return false;
}

}  // namespace

Status DeviceStage::acquire(std::size_t size_bytes, BufferLease& lease) {
  lease = place_.device.acquire(std::max<std::size_t>(size_bytes, 1));
  if (lease) return {};
  PENSTOCK_RETURN_IF_ERROR(place_.runtime.lost(device()));
  return unavailable("GPU " + std::to_string(device()) + " has no memory left for " +
                     std::to_string(size_bytes) + " bytes");
}

Status DeviceStage::bring_in(Batch& batch) {
  PENSTOCK_RETURN_IF_ERROR(place_.runtime.lost(device()));
  Status status = bring_in_all(batch);
  // Memory that is still being read or written must not be given back.
  if (!status.ok()) place_.in.drain();
  return status;
}

Status DeviceStage::bring_in_all(Batch& batch) {
  const ModelPlan& plan = batch.plan();
  for (std::uint32_t spec = 0; spec < plan.inputs.size(); ++spec) {
    if (!for_device(plan.inputs[spec])) continue;
    if (Status status = bring_in(batch, spec); !status.ok()) {
      return std::move(status).with_prefix("input '" + plan.inputs[spec].name + "' of model '" +
                                           plan.name + "': ");
    }
  }
  return inputs_.empty() ? Status{} : place_.in.record(*arrived_);
}

Status DeviceStage::bring_in(Batch& batch, std::uint32_t spec) {
  TensorView view;
  BufferLease owner;
  if (any_on_device(batch, spec)) {
    PENSTOCK_RETURN_IF_ERROR(send_rows(batch, spec, view));
  } else {
    PENSTOCK_RETURN_IF_ERROR(batch.gather(spec, view, &owner));
    if (view.type == DataType::kInvalid) return {};  // optional, and in no request
    PENSTOCK_RETURN_IF_ERROR(send(owner, view));
  }
  view.memory = MemoryKind::kGpu;
  view.device = device();
  inputs_.push_back({spec, view, kept_.back()});
  return {};
}

// One copy, from page-locked memory: what was received elsewhere is brought there first.
Status DeviceStage::send(const BufferLease& owner, TensorView& view) {
  const std::byte* from = view.data;
  if (view.size_bytes > 0 && (!owner || owner->memory != MemoryKind::kPinned)) {
    BufferLease pinned = place_.host.acquire(view.size_bytes);
    if (!pinned) {
      return unavailable("no memory to copy " + std::to_string(view.size_bytes) + " bytes from");
    }
    std::memcpy(pinned->data, view.data, view.size_bytes);
    from = pinned->data;
    kept_.push_back(std::move(pinned));
  } else if (owner) {
    kept_.push_back(owner);
  }
  BufferLease target;
  PENSTOCK_RETURN_IF_ERROR(acquire(view.size_bytes, target));
  view.data = target->data;
  kept_.push_back(std::move(target));
  return place_.in.copy(kept_.back()->data, from, view.size_bytes);
}

// Rows of which some are on a device already, in memory that clients share: each is copied from
// where it is. A single one of this device is used where it lies, if kernels can do with that.
Status DeviceStage::send_rows(Batch& batch, std::uint32_t spec, TensorView& view) {
  BufferLease owner;
  TensorView row;
  std::size_t total = 0;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch.input(i, spec, row, &owner)) continue;
    if (total == 0) view = row;
    total += row.size_bytes;
    rows += row.shape.empty() ? 0 : row.shape[0];
    kept_.push_back(owner);
  }
  const bool aligned = reinterpret_cast<std::uintptr_t>(view.data) % kDeviceAlignment == 0;
  if (batch.size() == 1 && view.device == device() && aligned) return {};
  BufferLease target;
  PENSTOCK_RETURN_IF_ERROR(acquire(total, target));
  std::byte* to = target->data;
  view.data = target->data;
  view.size_bytes = total;
  if (batch.size() > 1 && !view.shape.empty()) view.shape[0] = rows;
  kept_.push_back(std::move(target));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch.input(i, spec, row)) continue;
    PENSTOCK_RETURN_IF_ERROR(place_.in.copy(to, row.data, row.size_bytes));
    to += row.size_bytes;
  }
  return {};
}

// A wait that failed may have left copies on their way, and they must not find the memory of
// others.
Status DeviceStage::wait_in() {
  if (inputs_.empty()) return {};
  Status status = arrived_->synchronize();
  if (!status.ok()) place_.in.drain();
  return status;
}

bool DeviceStage::find(std::uint32_t spec, TensorView& view, BufferLease* lease) const {
  const auto found = std::find_if(inputs_.begin(), inputs_.end(),
                                  [spec](const Input& input) { return input.spec == spec; });
  if (found == inputs_.end()) return false;
  view = found->view;
  if (lease != nullptr) *lease = found->lease;
  return true;
}

void DeviceStage::offer(const TensorView& output, const BufferLease& lease) {
  offered_ = output;
  offered_lease_ = lease;
  landed_.reset();
}

// All of it by one copy, the first time that a part of it is needed.
Status DeviceStage::bring_back() {
  if (landed_) return {};
  landed_ = place_.host.acquire(offered_.size_bytes);
  if (!landed_) {
    return unavailable("no memory to copy " + std::to_string(offered_.size_bytes) + " bytes to");
  }
  kept_.push_back(offered_lease_);
  kept_.push_back(landed_);
  out_used_ = true;
  return place_.out.copy(landed_->data, offered_.data, offered_.size_bytes);
}

Status DeviceStage::place(const RegionWindow& window, TensorView& part, BufferLease& lease) {
  const bool direct = window.held() && window.lease->memory == MemoryKind::kGpu &&
                      window.size_bytes >= part.size_bytes;
  if (direct) {
    kept_.push_back(offered_lease_);
    kept_.push_back(window.lease);
    out_used_ = true;
    PENSTOCK_RETURN_IF_ERROR(place_.out.copy(window.data, part.data, part.size_bytes));
    part.data = window.data;
    part.device = window.lease->device;
    lease = window.lease;
    return {};
  }
  PENSTOCK_RETURN_IF_ERROR(bring_back());
  part.data = landed_->data + (part.data - offered_.data);
  part.memory = landed_->memory;
  part.device = 0;
  lease = landed_;
  return {};
}

Status DeviceStage::wait_out() {
  if (!out_used_) return {};
  Status status = place_.out.synchronize();
  if (!status.ok()) place_.out.drain();
  return status;
}

void DeviceStage::clear() {
  inputs_.clear();
  // Nobody can tell what a lost device still copies; nothing more is put there.
  if (place_.runtime.lost(device()).ok()) kept_.clear();
  offered_lease_.reset();
  landed_.reset();
  out_used_ = false;
}

}  // namespace penstock
