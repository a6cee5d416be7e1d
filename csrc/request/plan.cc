// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/plan.h"

#include <set>

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

}  // namespace

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

Status ModelPlan::check() const {
  if (name.empty()) return invalid_arg("a model must have a name");
  if (max_batch_size < 0) {
    return invalid_arg("'max_batch_size' must be non-negative value for " + name);
  }
  if (instance_count == 0) return invalid_arg("model '" + name + "' has no instances");
  if (queue_capacity == 0) return invalid_arg("model '" + name + "' has no room in its queue");
  for (auto preferred : dynamic.preferred_batch_sizes) {
    if (preferred <= 0) {
      return invalid_arg("dynamic batching preferred size must be positive for " + name);
    }
    if (preferred > std::max<std::int64_t>(max_batch_size, 1)) {
      return invalid_arg("dynamic batching preferred size must be <= max batch size for " + name);
    }
  }
  PENSTOCK_RETURN_IF_ERROR(check_levels(dynamic, name));
  PENSTOCK_RETURN_IF_ERROR(check_specs(inputs, "input"));
  PENSTOCK_RETURN_IF_ERROR(check_specs(outputs, "output"));
  PENSTOCK_RETURN_IF_ERROR(check_order(inputs, supplied_inputs, "input"));
  return check_order(outputs, hidden_outputs, "output");
}

}  // namespace penstock
