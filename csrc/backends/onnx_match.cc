// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/onnx_match.h"

#include <algorithm>

namespace penstock {
namespace {

// "input" or "output", for texts that are otherwise the same.
using Kind = const char*;

std::string failed_to_load(const ModelPlan& plan) {
  return "unable to load model '" + plan.name + "', ";
}

const OnnxTensorInfo* find_tensor(const std::vector<OnnxTensorInfo>& infos, std::string_view name) {
  const auto found = std::find_if(infos.begin(), infos.end(),
                                  [name](const OnnxTensorInfo& info) { return info.name == name; });
  return found == infos.end() ? nullptr : &*found;
}

Status unexpected_name(const std::vector<OnnxTensorInfo>& infos, Kind kind,
                       const std::string& name) {
  std::string text =
      std::string("unexpected inference ") + kind + " '" + name + "', allowed " + kind + "s are: ";
  for (std::size_t i = 0; i < infos.size(); ++i) text += (i > 0 ? ", " : "") + infos[i].name;
  return invalid_arg(std::move(text));
}

Status check_type(const ModelPlan& plan, const TensorSpec& spec, const OnnxTensorInfo& info,
                  Kind kind) {
  if (info.type == spec.type) return {};
  const std::string provided = info.type == DataType::kInvalid
                                   ? info.onnx_type + ", which the protocol cannot carry"
                                   : config_type_name(info.type);
  return invalid_arg(failed_to_load(plan) + "configuration expects datatype " +
                     config_type_name(spec.type) + " for " + kind + " '" + spec.name +
                     "', model provides " + provided);
}

bool same_dims(const Shape& model, const Shape& config, std::size_t from) {
  for (std::size_t i = from; i < model.rank(); ++i) {
    if (model[i] != -1 && model[i] != config[i]) return false;
  }
  return true;
}

Status dims_mismatch(const ModelPlan& plan, const TensorSpec& spec, const Shape& model,
                     const Shape& config) {
  std::string text = failed_to_load(plan) + "tensor '" + spec.name + "': the model expects ";
  if (model.rank() != config.rank()) {
    text += std::to_string(model.rank()) + " dimensions (shape " + to_string(model) +
            ") but the model configuration specifies " + std::to_string(config.rank()) +
            " dimensions ";
    text += plan.batching() ? "(an initial batch dimension because max_batch_size > 0 followed by "
                              "the explicit tensor shape, making complete shape "
                            : "(shape ";
    return invalid_arg(text + to_string(config) + ")");
  }
  return invalid_arg(text + "shape " + to_string(model) +
                     " but the model configuration specifies shape " + to_string(config));
}

// A batch of one is what a model with a fixed first dimension of 1 can take.
bool batch_dim_fits(const ModelPlan& plan, const Shape& model) {
  return !model.empty() && (model[0] == -1 || (model[0] == 1 && plan.max_batch_size == 1));
}

Status check_dims(const ModelPlan& plan, const TensorSpec& spec, OnnxBinding& binding) {
  if (!binding.tensor->rank_known) return {};
  const Shape& model = binding.tensor->dims;
  Shape config = spec.reshape ? *spec.reshape : spec.dims;
  if (plan.batching()) {
    if (!batch_dim_fits(plan, model)) {
      return invalid_arg(failed_to_load(plan) + "tensor '" + spec.name +
                         "': for the model to support batching the shape should have at least 1 "
                         "dimension and the first dimension must be -1; but shape expected by the "
                         "model is " +
                         to_string(model));
    }
    if (!config.try_push_front(-1)) return dims_mismatch(plan, spec, model, config);
  } else if (model.empty() && config == Shape{1}) {
    binding.scalar = true;
    return {};
  }
  const std::size_t first = plan.batching() ? 1 : 0;
  if (model.rank() != config.rank() || !same_dims(model, config, first)) {
    return dims_mismatch(plan, spec, model, config);
  }
  return {};
}

// What has no batch dimension must be taken without one: ragged inputs (C-4) and what tells of them
// (2.4).
Status check_flat(const ModelPlan& plan, const TensorSpec& spec, const OnnxTensorInfo& info) {
  const bool made = spec.source == TensorSource::kBatch;
  const Shape expected = made ? spec.dims : Shape{-1};
  if (!info.rank_known ||
      (made ? info.dims.rank() == expected.rank() && same_dims(info.dims, expected, 0)
            : info.dims == expected)) {
    return {};
  }
  return invalid_arg(failed_to_load(plan) + "configuration expects model provides input with " +
                     "shape " + to_string(expected) + " for " + (made ? "batch" : "ragged") +
                     " input '" + spec.name + "', model provides " + to_string(info.dims));
}

// `flat_output`: a batch output, which has whatever shape holds its elements (2.4).
Status match_one(const ModelPlan& plan, const TensorSpec& spec,
                 const std::vector<OnnxTensorInfo>& infos, Kind kind,
                 std::vector<OnnxBinding>& bindings, bool flat_output = false) {
  OnnxBinding& binding = bindings.emplace_back();
  binding.tensor = find_tensor(infos, spec.name);
  if (binding.tensor == nullptr) return unexpected_name(infos, kind, spec.name);
  PENSTOCK_RETURN_IF_ERROR(check_type(plan, spec, *binding.tensor, kind));
  if (spec.allow_ragged_batch || spec.source == TensorSource::kBatch) {
    return check_flat(plan, spec, *binding.tensor);
  }
  return flat_output ? Status{} : check_dims(plan, spec, binding);
}

}  // namespace

Status match_plan(const ModelPlan& plan, const OnnxModel& model, OnnxBindings& bindings) {
  if (plan.inputs.size() != model.inputs().size()) {
    return invalid_arg(failed_to_load(plan) + "configuration expects " +
                       std::to_string(plan.inputs.size()) + " inputs, model provides " +
                       std::to_string(model.inputs().size()));
  }
  for (const auto& spec : plan.inputs) {
    PENSTOCK_RETURN_IF_ERROR(match_one(plan, spec, model.inputs(), "input", bindings.inputs));
    if (spec.optional && plan.batching()) {
      return invalid_arg(failed_to_load(plan) + "optional input '" + spec.name +
                         "' is only supported when max_batch_size is 0");
    }
  }
  for (std::uint32_t i = 0; i < plan.outputs.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(match_one(plan, plan.outputs[i], model.outputs(), "output",
                                       bindings.outputs, plan.find_batch_output(i) != nullptr));
  }
  return {};
}

}  // namespace penstock
