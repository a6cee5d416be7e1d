// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/onnx_instance.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

#include "backends/onnx_strings.h"
#include "backends/onnx_value_lease.h"

namespace penstock {
namespace {

// What an empty tensor points at: ONNX Runtime takes no null pointer.
alignas(64) std::array<std::byte, 64> empty_tensor;

bool inside_any(const std::vector<std::span<const std::byte>>& blocks, const std::byte* data) {
  return std::any_of(blocks.begin(), blocks.end(), [data](std::span<const std::byte> block) {
    return std::less_equal<>()(block.data(), data) &&
           std::less<>()(data, block.data() + block.size());
  });
}

bool all_known(const Shape& shape, std::size_t from) {
  return std::all_of(shape.begin() + from, shape.end(), [](std::int64_t dim) { return dim >= 0; });
}

Status no_memory(const Batch& batch, const char* kind, const std::string& name, std::size_t size) {
  return unavailable(std::string("no memory for ") + kind + " '" + name + "' of model '" +
                     batch.plan().name + "': " + std::to_string(size) + " bytes");
}

}  // namespace

OnnxInstance::OnnxInstance(std::shared_ptr<const OnnxSession> session, const ModelPlan& plan,
                           const OnnxBindings& bindings)
    : session_(std::move(session)), api_(session_->api()), batching_(plan.batching()) {
  for (const auto& [tensor, scalar] : bindings.inputs) {
    inputs_.push_back({tensor->name, tensor->type, ort::element_type(tensor->type), scalar});
  }
  for (std::uint32_t spec = 0; spec < bindings.outputs.size(); ++spec) {
    const auto& [tensor, scalar] = bindings.outputs[spec];
    // The match has proved that a batching model's first dimension is the batch, but for those of
    // batch outputs.
    const bool size_known = tensor->rank_known && tensor->type != DataType::kBytes &&
                            plan.find_batch_output(spec) == nullptr &&
                            all_known(tensor->dims, batching_ ? 1 : 0);
    outputs_.push_back({tensor->name, tensor->type, ort::element_type(tensor->type), scalar,
                        size_known, scalar ? Shape{1} : tensor->dims});
  }
  input_names_.reserve(inputs_.size());
  input_values_.reserve(inputs_.size());
  input_bytes_.reserve(inputs_.size());
  wanted_.reserve(outputs_.size());
  output_names_.reserve(outputs_.size());
  output_values_.reserve(outputs_.size());
}

Result<std::unique_ptr<NativeInstance>> OnnxInstance::create(
    std::shared_ptr<const OnnxSession> session, const ModelPlan& plan,
    const OnnxBindings& bindings) {
  std::unique_ptr<OnnxInstance> instance(new OnnxInstance(std::move(session), plan, bindings));
  if (Status s = instance->prepare(); !s.ok()) return s;
  return std::unique_ptr<NativeInstance>(std::move(instance));
}

Status OnnxInstance::prepare() {
  PENSTOCK_RETURN_IF_ERROR(api_.check(
      api_.create_cpu_memory_info(ort::kDeviceAllocator, ort::kDefaultMemory, &memory_info_)));
  if (session_->arena_shrinkage().empty()) return {};
  PENSTOCK_RETURN_IF_ERROR(api_.check(api_.create_run_options(&run_options_)));
  return api_.check(api_.add_run_config_entry(run_options_, "memory.enable_memory_arena_shrinkage",
                                              session_->arena_shrinkage().c_str()));
}

OnnxInstance::~OnnxInstance() {
  if (binding_ != nullptr) api_.release_io_binding(binding_);
  if (device_info_ != nullptr) api_.release_memory_info(device_info_);
  if (run_options_ != nullptr) api_.release_run_options(run_options_);
  if (memory_info_ != nullptr) api_.release_memory_info(memory_info_);
}

void OnnxInstance::execute(Batch& batch) {
  if (Status status = answer(batch); !status.ok()) batch.fail_all(status);
  clear();
}

Status OnnxInstance::answer(Batch& batch) {
  if (batch.device() >= 0) PENSTOCK_RETURN_IF_ERROR(prepare_device(batch.device()));
  for (std::uint32_t spec = 0; spec < inputs_.size(); ++spec) {
    PENSTOCK_RETURN_IF_ERROR(bind_input(batch, spec));
  }
  for (std::uint32_t spec = 0; spec < outputs_.size(); ++spec) {
    if (batch.wants_output(spec)) PENSTOCK_RETURN_IF_ERROR(bind_output(batch, spec));
  }
  batch.mark_exec_start();
  ort::Error* error = run();
  batch.mark_exec_end();
  PENSTOCK_RETURN_IF_ERROR(api_.check(error));
  for (std::size_t i = 0; i < wanted_.size(); ++i) PENSTOCK_RETURN_IF_ERROR(hand_out(batch, i));
  return {};
}

Status OnnxInstance::bind_input(Batch& batch, std::uint32_t spec) {
  const Input& input = inputs_[spec];
  TensorView view;
  PENSTOCK_RETURN_IF_ERROR(batch.gather(spec, view));
  if (view.type == DataType::kInvalid) return {};  // optional, and in no request
  input_names_.push_back(input.name.c_str());
  ort::Value*& value = input_values_.emplace_back(nullptr);
  if (input.type == DataType::kBytes) {
    if (input.scalar) view.shape.clear();
    return make_string_value(api_, view, &value);
  }
  if (view.memory != MemoryKind::kGpu) {
    PENSTOCK_RETURN_IF_ERROR(align(batch, batch.plan().inputs[spec], view));
    input_bytes_.emplace_back(view.data, view.size_bytes);
  }
  return create_value(view, input.element_type, input.scalar, &value);
}

// Tensors are views of received bytes and may start anywhere; kernels assume whole elements.
Status OnnxInstance::align(Batch& batch, const TensorSpec& spec, TensorView& view) {
  if (reinterpret_cast<std::uintptr_t>(view.data) % element_size(view.type) == 0) return {};
  BufferLease copy = batch.allocate(view.size_bytes);
  if (!copy) return no_memory(batch, "input", spec.name, view.size_bytes);
  std::memcpy(copy->data, view.data, view.size_bytes);
  view.data = copy->data;
  aligned_.push_back(std::move(copy));
  return {};
}

Status OnnxInstance::create_value(const TensorView& view, int element_type, bool scalar,
                                  ort::Value** value) {
  const std::byte* data = view.size_bytes > 0 ? view.data : empty_tensor.data();
  // Inputs are only read: ONNX Runtime's signature does not say so.
  const ort::MemoryInfo* where = view.memory == MemoryKind::kGpu ? device_info_ : memory_info_;
  return api_.check(api_.create_tensor_with_data(
      where, const_cast<std::byte*>(data), view.size_bytes, view.shape.begin(),
      scalar ? 0 : view.shape.rank(), element_type, value));
}

Status OnnxInstance::bind_output(Batch& batch, std::uint32_t spec) {
  const Output& output = outputs_[spec];
  Wanted& wanted = wanted_.emplace_back(Wanted{spec, {}, {}});
  output_names_.push_back(output.name.c_str());
  ort::Value*& value = output_values_.emplace_back(nullptr);
  if (!output.size_known) return {};
  TensorView& view = wanted.view;
  view.type = output.type;
  view.shape = output.shape;
  if (batching_) view.shape[0] = batch.total_batch_size();
  const auto size = byte_size(view.type, view.shape);
  if (!size || *size == 0) return {};  // nothing to place, or an error that ONNX Runtime will tell
  view.size_bytes = *size;
  const bool on_device = batch.device() >= 0;
  wanted.lease = on_device ? batch.allocate_on_device(*size) : batch.allocate(*size);
  if (!wanted.lease) return no_memory(batch, "output", output.name, *size);
  view.data = wanted.lease->data;
  view.memory = wanted.lease->memory;
  view.device = wanted.lease->device;
  return create_value(view, output.element_type, output.scalar, &value);
}

Status OnnxInstance::hand_out(Batch& batch, std::size_t position) {
  Wanted& wanted = wanted_[position];
  if (wanted.lease) return batch.scatter(wanted.spec, wanted.view, wanted.lease);
  const Output& output = outputs_[wanted.spec];
  TensorView view;
  view.type = output.type;
  PENSTOCK_RETURN_IF_ERROR(view_value(output_values_[position], output, view));
  BufferLease lease;
  if (output.type == DataType::kBytes) {
    PENSTOCK_RETURN_IF_ERROR(
        read_string_value(api_, output_values_[position], batch, string_offsets_, view, lease));
  } else if (batch.device() >= 0) {  // inputs stay there as long as it takes
    view.memory = MemoryKind::kGpu;
    view.device = batch.device();
    lease = lease_value(session_, std::exchange(output_values_[position], nullptr), view);
  } else if (inside_any(input_bytes_, view.data)) {
    PENSTOCK_RETURN_IF_ERROR(copy_out(batch, output, view, lease));
  } else {
    lease = lease_value(session_, std::exchange(output_values_[position], nullptr), view);
  }
  return batch.scatter(wanted.spec, view, lease);
}

// A graph may name an input as its output: the value is then the input's bytes, which go with the
// batch.
Status OnnxInstance::copy_out(Batch& batch, const Output& output, TensorView& view,
                              BufferLease& lease) {
  lease = batch.allocate(view.size_bytes);
  if (!lease) return no_memory(batch, "output", output.name, view.size_bytes);
  std::memcpy(lease->data, view.data, view.size_bytes);
  view.data = lease->data;
  return {};
}

Status OnnxInstance::view_value(ort::Value* value, const Output& output, TensorView& view) {
  int is_tensor = 0;
  if (value != nullptr) PENSTOCK_RETURN_IF_ERROR(api_.check(api_.is_tensor(value, &is_tensor)));
  if (is_tensor == 0) return internal_error("output '" + output.name + "' is not a tensor");
  ort::TensorInfo* info = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api_.check(api_.get_tensor_type_and_shape(value, &info)));
  const ort::Owned<ort::TensorInfo> owned(info, api_.release_tensor_info);
  std::size_t rank = 0;
  PENSTOCK_RETURN_IF_ERROR(api_.check(api_.get_dimensions_count(info, &rank)));
  std::array<std::int64_t, Shape::kMaxRank> dims;
  if (rank > dims.size()) {
    return internal_error("output '" + output.name + "' has " + std::to_string(rank) +
                          " dimensions, at most " + std::to_string(dims.size()) + " are supported");
  }
  PENSTOCK_RETURN_IF_ERROR(api_.check(api_.get_dimensions(info, dims.data(), rank)));
  for (std::size_t i = 0; i < rank; ++i) view.shape.push_back(dims[i]);
  if (output.scalar) view.shape = Shape{1};
  if (output.type == DataType::kBytes) return {};
  void* data = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api_.check(api_.get_tensor_mutable_data(value, &data)));
  view.data = static_cast<const std::byte*>(data);
  view.size_bytes = byte_size(output.type, view.shape).value_or(0);
  return {};
}

void OnnxInstance::clear() {
  for (ort::Value* value : input_values_) {
    if (value != nullptr) api_.release_value(value);
  }
  for (ort::Value* value : output_values_) {
    if (value != nullptr) api_.release_value(value);
  }
  input_names_.clear();
  input_values_.clear();
  input_bytes_.clear();
  aligned_.clear();
  wanted_.clear();
  output_names_.clear();
  output_values_.clear();
}

}  // namespace penstock
