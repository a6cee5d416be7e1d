// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/plan.h"

#include <set>

namespace penstock {
namespace {

int find_by_name(const std::vector<TensorSpec>& specs, std::string_view name) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return static_cast<int>(i);
  }
  return -1;
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

int ModelPlan::find_input(std::string_view n) const { return find_by_name(inputs, n); }

int ModelPlan::find_output(std::string_view n) const { return find_by_name(outputs, n); }

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
  PENSTOCK_RETURN_IF_ERROR(check_specs(inputs, "input"));
  return check_specs(outputs, "output");
}

}  // namespace penstock
