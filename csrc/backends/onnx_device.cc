// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// OnnxInstance: tensors in a GPU's memory. The session's own stream is waited for at the end of
// every run, so that outputs are complete then.
#include "backends/onnx_instance.h"

namespace penstock {

Status OnnxInstance::prepare_device(std::int32_t device) {
  if (binding_ != nullptr) return {};
  PENSTOCK_RETURN_IF_ERROR(
      api_.check(api_.create_memory_info(session_->device_memory().c_str(), ort::kDeviceAllocator,
                                         device, ort::kDefaultMemory, &device_info_)));
  return api_.check(api_.create_io_binding(session_->get(), &binding_));
}

ort::Error* OnnxInstance::run() {
  if (binding_ != nullptr) return run_bound();
  return api_.run(session_->get(), run_options_, input_names_.data(), input_values_.data(),
                  input_values_.size(), output_names_.data(), output_values_.size(),
                  output_values_.data());
}

// By a binding: a plain run would bring what it allocates to the host.
ort::Error* OnnxInstance::run_bound() {
  ort::Error* error = bind_all();
  if (error == nullptr) error = api_.run_with_binding(session_->get(), run_options_, binding_);
  if (error == nullptr) error = take_bound();
  api_.clear_bound_inputs(binding_);
  api_.clear_bound_outputs(binding_);
  return error;
}

ort::Error* OnnxInstance::bind_all() {
  for (std::size_t i = 0; i < input_values_.size(); ++i) {
    ort::Error* const error = api_.bind_input(binding_, input_names_[i], input_values_[i]);
    if (error != nullptr) return error;
  }
  for (std::size_t i = 0; i < output_values_.size(); ++i) {
    const bool strings = outputs_[wanted_[i].spec].type == DataType::kBytes;
    const ort::MemoryInfo* const where = strings ? memory_info_ : device_info_;
    ort::Error* const error = output_values_[i] != nullptr
                                  ? api_.bind_output(binding_, output_names_[i], output_values_[i])
                                  : api_.bind_output_to_device(binding_, output_names_[i], where);
    if (error != nullptr) return error;
  }
  return nullptr;
}

// The values that were allocated in the run, in place of the null ones.
ort::Error* OnnxInstance::take_bound() {
  ort::Allocator* allocator = nullptr;
  ort::Value** values = nullptr;
  std::size_t count = 0;
  if (ort::Error* error = api_.get_default_allocator(&allocator)) return error;
  if (ort::Error* error = api_.get_bound_output_values(binding_, allocator, &values, &count)) {
    return error;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (i < output_values_.size() && output_values_[i] == nullptr) {
      output_values_[i] = values[i];
    } else {
      api_.release_value(values[i]);
    }
  }
  return values == nullptr ? nullptr : api_.allocator_free(allocator, values);
}

}  // namespace penstock
