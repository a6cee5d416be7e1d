// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/plan.h"

#include <algorithm>
#include <set>
#include <utility>

namespace penstock {
namespace {

int find_by_name(const std::vector<TensorSpec>& specs, std::size_t count, std::string_view name) {
  for (std::size_t i = 0; i < count; ++i) {
    if (specs[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

// Clients' tensors come first.
Status check_order(const std::vector<TensorSpec>& specs, std::size_t others, const char* what) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if ((specs[i].source != TensorSource::kClient) == (i + others >= specs.size())) continue;
    return internal_error(std::string(what) + " '" + specs[i].name + "' is out of its place");
  }
  return {};
}

Status check_levels(const DynamicBatching& dynamic, const std::string& name) {
  if (dynamic.priority_levels > DynamicBatching::kMaxPriorityLevels) {
    return invalid_arg("dynamic batching of model '" + name + "' has more than " +
                       std::to_string(DynamicBatching::kMaxPriorityLevels) + " priority levels");
  }
  if (dynamic.priority_levels == 0) return {};
  if (dynamic.default_priority_level == 0 ||
      dynamic.default_priority_level > dynamic.priority_levels) {
    return invalid_arg("default priority level must be in range [1, " +
                       std::to_string(dynamic.priority_levels) + "] for " + name);
  }
  if (dynamic.level_policies.size() != dynamic.priority_levels) {
    return internal_error("model '" + name + "' must have one queue policy a priority level");
  }
  return {};
}

bool fits(const Shape& dims, const Shape& initial) {
  if (dims.rank() != initial.rank()) return false;
  for (std::size_t i = 0; i < dims.rank(); ++i) {
    if (initial[i] < 0 || (dims[i] >= 0 && dims[i] != initial[i])) return false;
  }
  return true;
}

Status check_state(const ModelPlan& plan, std::size_t index) {
  const SequenceState& state = plan.sequence.states[index];
  const auto broken = [&](const char* what) {
    return internal_error("state " + std::to_string(index) + " of model '" + plan.name + "' has " +
                          what);
  };
  if (state.input >= plan.inputs.size() || state.output >= plan.outputs.size()) {
    return broken("no input or no output");
  }
  const TensorSpec& input = plan.inputs[state.input];
  const TensorSpec& output = plan.outputs[state.output];
  if (input.source != TensorSource::kState || input.source_index != index) {
    return broken("an input that is another's");
  }
  if (input.type != output.type) return broken("an output of another type than its input");
  if (!fits(input.dims, state.initial_dims)) return broken("an initial value of another shape");
  const auto size = byte_size(input.type, state.initial_dims);
  if (input.type != DataType::kBytes && (!size || *size != state.initial_data.size())) {
    return broken("an initial value of another size than its shape");
  }
  return {};
}

Status check_sequence(const ModelPlan& plan) {
  const SequenceBatching& sequence = plan.sequence;
  for (const TensorSpec& spec : plan.inputs) {
    const bool control = spec.source == TensorSource::kControl;
    const bool known = control ? spec.source_index < sequence.controls.size()
                               : spec.source_index < sequence.states.size();
    if ((control || spec.source == TensorSource::kState) && (!plan.sequences() || !known)) {
      return internal_error("input '" + spec.name + "' of model '" + plan.name + "' has no source");
    }
  }
  for (std::size_t i = 0; i < sequence.states.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(check_state(plan, i));
  }
  return {};
}

Status check_limits(const ModelPlan& plan) {
  if (!plan.instance_limits.empty() && plan.instance_limits.size() != plan.instance_count) {
    return internal_error("model '" + plan.name + "' must have one limit an instance");
  }
  for (const InstanceLimit& limit : plan.instance_limits) {
    std::set<std::pair<std::string_view, bool>> seen;
    for (const InstanceResource& resource : limit.resources) {
      if (seen.insert({resource.name, resource.global}).second) continue;
      return invalid_arg("an instance of model '" + plan.name + "' specifies resource '" +
                         resource.name + "' twice");
    }
  }
  return {};
}

Status check_batch_tensors(const ModelPlan& plan) {
  const auto given = [&](std::uint32_t input) { return input < plan.client_inputs(); };
  for (const TensorSpec& spec : plan.inputs) {
    if (spec.source != TensorSource::kBatch) continue;
    if (spec.source_index >= plan.batch_inputs.size() ||
        !given(plan.batch_inputs[spec.source_index].source_input)) {
      return internal_error("input '" + spec.name + "' of model '" + plan.name + "' has no source");
    }
    if (spec.type != DataType::kInt32 && spec.type != DataType::kFp32) {
      return invalid_arg("batch input data type must be TYPE_INT32 or TYPE_FP32");
    }
  }
  for (const BatchOutput& output : plan.batch_outputs) {
    if (output.output < plan.outputs.size() && given(output.source_input)) continue;
    return internal_error("a batch output of model '" + plan.name + "' has no source");
  }
  return {};
}

Status check_specs(const std::vector<TensorSpec>& specs, const char* what) {
  std::set<std::string_view> names;
  for (const auto& spec : specs) {
    if (!names.insert(spec.name).second) {
      return invalid_arg(std::string(what) + " '" + spec.name + "' is specified twice");
    }
    if (spec.type == DataType::kInvalid) {
      return invalid_arg(std::string(what) + " '" + spec.name + "' has no data type");
    }
    for (auto dim : spec.dims.dims()) {
      if (dim < -1) {
        return invalid_arg(std::string(what) + " '" + spec.name + "' has dimension " +
                           std::to_string(dim) + ", expected >= -1");
      }
    }
    const std::size_t rank = std::max(spec.dims.rank(), spec.reshape ? spec.reshape->rank() : 0);
    if (rank >= Shape::kMaxRank) {
      return invalid_arg(std::string(what) + " '" + spec.name + "' has more than " +
                         std::to_string(Shape::kMaxRank - 1) + " dimensions");
    }
  }
  return {};
}

Status check_metrics(const ModelPlan& plan) {
  const std::vector<double>& bounds = plan.first_response_bounds_ms;
  const auto falls = [](double a, double b) { return !(a < b); };  // and NaN
  if (std::adjacent_find(bounds.begin(), bounds.end(), falls) != bounds.end()) {
    return invalid_arg("the buckets of a histogram of model '" + plan.name + "' do not ascend");
  }
  if (plan.summary_error != 0 && !(plan.summary_error >= 0.0005 && plan.summary_error <= 1)) {
    return invalid_arg("the error of summaries of model '" + plan.name +
                       "' must be between 0.0005 and 1, got " + std::to_string(plan.summary_error));
  }
  return {};
}

}  // namespace

bool ModelPlan::uses_devices() const {
  const bool any = std::any_of(instance_devices.begin(), instance_devices.end(),
                               [](std::int32_t device) { return device >= 0; });
  const bool in_order =
      scheduler == SchedulerKind::kDefault || scheduler == SchedulerKind::kDynamic;
  return any && in_order && !decoupled;
}

bool ModelPlan::takes_device_input(const TensorSpec& spec) const {
  const bool all = std::all_of(instance_devices.begin(), instance_devices.end(),
                               [](std::int32_t device) { return device >= 0; });
  return all && uses_devices() && !cached && spec.type != DataType::kBytes &&
         !spec.is_shape_tensor && !spec.allow_ragged_batch && spec.source == TensorSource::kClient;
}

int ModelPlan::find_input(std::string_view n) const {
  return find_by_name(inputs, client_inputs(), n);
}

int ModelPlan::find_output(std::string_view n) const {
  return find_by_name(outputs, client_outputs(), n);
}

int ModelPlan::find_model_input(std::string_view n) const {
  return find_by_name(inputs, inputs.size(), n);
}

int ModelPlan::find_model_output(std::string_view n) const {
  return find_by_name(outputs, outputs.size(), n);
}

bool TensorSpec::allows(const Shape& backend, bool batching) const {
  const Shape& produced = reshape ? *reshape : dims;
  const std::size_t lead = batching ? 1 : 0;
  if (backend.rank() != produced.rank() + lead) return false;
  for (std::size_t i = 0; i < produced.rank(); ++i) {
    if (produced[i] >= 0 && produced[i] != backend[lead + i]) return false;
  }
  return true;
}

int ModelPlan::state_of_output(std::uint32_t output) const {
  for (std::size_t i = 0; i < sequence.states.size(); ++i) {
    if (sequence.states[i].output == output) return static_cast<int>(i);
  }
  return -1;
}

bool ModelPlan::describes(std::uint32_t output, DataType type, const Shape& backend) const {
  return outputs[output].type == type && outputs[output].allows(backend, batching());
}

const BatchOutput* ModelPlan::find_batch_output(std::uint32_t output) const {
  const auto found = std::find_if(batch_outputs.begin(), batch_outputs.end(),
                                  [output](const BatchOutput& b) { return b.output == output; });
  return found == batch_outputs.end() ? nullptr : &*found;
}

Status ModelPlan::check() const {
  if (name.empty()) return invalid_arg("a model must have a name");
  if (max_batch_size < 0) {
    return invalid_arg("'max_batch_size' must be non-negative value for " + name);
  }
  if (instance_count == 0) return invalid_arg("model '" + name + "' has no instances");
  if (!instance_devices.empty() && instance_devices.size() != instance_count) {
    return invalid_arg("model '" + name + "' has " + std::to_string(instance_count) +
                       " instances and devices for " + std::to_string(instance_devices.size()));
  }
  if (queue_capacity == 0) return invalid_arg("model '" + name + "' has no room in its queue");
  for (auto preferred : dynamic.preferred_batch_sizes) {
    if (preferred <= 0) {
      return invalid_arg("dynamic batching preferred size must be positive for " + name);
    }
    if (preferred > std::max<std::int64_t>(max_batch_size, 1)) {
      return invalid_arg("dynamic batching preferred size must be <= max batch size for " + name);
    }
  }
  PENSTOCK_RETURN_IF_ERROR(check_metrics(*this));
  PENSTOCK_RETURN_IF_ERROR(check_levels(dynamic, name));
  PENSTOCK_RETURN_IF_ERROR(check_specs(inputs, "input"));
  PENSTOCK_RETURN_IF_ERROR(check_specs(outputs, "output"));
  PENSTOCK_RETURN_IF_ERROR(check_order(inputs, supplied_inputs, "input"));
  PENSTOCK_RETURN_IF_ERROR(check_order(outputs, hidden_outputs, "output"));
  PENSTOCK_RETURN_IF_ERROR(check_batch_tensors(*this));
  PENSTOCK_RETURN_IF_ERROR(check_limits(*this));
  return check_sequence(*this);
}

}  // namespace penstock
