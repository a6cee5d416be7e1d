// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/region_tensors.h"

#include <string>

#include "wire/request_rules.h"

namespace penstock::wire {
namespace {

Result<RegionWindow> find(const RegionSource& source, const RegionReference& at) {
  if (source.regions != nullptr) {
    return source.regions->window(at.region, at.offset, at.size_bytes);
  }
  return not_found("Unable to find shared memory region: '" + std::string(at.region) + "'");
}

bool stays_on_device(const ModelPlan& plan, const InputTensor& input) {
  // One that no model has is only named in the error.
  return input.spec == kUnknownSpec || plan.takes_device_input(plan.inputs[input.spec]);
}

}  // namespace

Status take_input(const RegionSource& source, const RegionReference& from, const ModelPlan& plan,
                  std::string_view name, InputTensor& input) {
  auto window = find(source, from);
  if (!window.ok()) return window.take_status();
  const RegionWindow& found = window.value();
  if (found.lease->memory != MemoryKind::kGpu || stays_on_device(plan, input)) {
    borrow(input, found.data, found.size_bytes, found.lease);
    input.view.memory = found.lease->memory;
    input.view.device = found.lease->device;
    return {};
  }
  if (found.size_bytes > source.limits.max_input_bytes) {
    return invalid_arg("input '" + std::string(name) + "' has " + std::to_string(found.size_bytes) +
                       " bytes in CUDA shared memory, at most " +
                       std::to_string(source.limits.max_input_bytes) +
                       " are copied for a model that is not on the GPU. Use "
                       "--http-max-input-size to increase the limit.");
  }
  std::byte* bytes = nullptr;
  PENSTOCK_RETURN_IF_ERROR(acquire(source.pool, name, found.size_bytes, input, bytes));
  return source.regions->read(found, bytes);
}

Status take_output(const RegionSource& source, const RegionReference& to, RequestedOutput& output) {
  auto window = find(source, to);
  if (!window.ok()) return window.take_status();
  output.window = std::move(window.value());
  return {};
}

Status put_output(const SharedRegions* regions, const RegionWindow& window, std::string_view name,
                  const TensorView& view) {
  if (view.size_bytes > window.size_bytes) {
    return internal_error("shared memory size specified with the request for output '" +
                          std::string(name) + "' (" + std::to_string(window.size_bytes) +
                          " bytes) should be at least " + std::to_string(view.size_bytes) +
                          " bytes to hold the results");
  }
  if (view.data == window.data || view.size_bytes == 0) return {};
  if (regions == nullptr || view.memory == MemoryKind::kGpu) {
    return internal_error("output '" + std::string(name) + "' is not in host memory");
  }
  return regions->write(window, view.data, view.size_bytes);
}

}  // namespace penstock::wire
