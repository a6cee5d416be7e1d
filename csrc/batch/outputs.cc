// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/outputs.h"

#include <algorithm>
#include <optional>
#include <string>

#include "batch/shapes.h"
#include "penstock/backend.h"
#include "request/string_tensor.h"

namespace penstock {
namespace {

Status check_type(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  if (view.type != spec.type) {
    return internal_error("unexpected data type for output '" + spec.name + "' of model '" +
                          plan.name + "'. Expected " + std::string(data_type_name(spec.type)) +
                          ", got " + std::string(data_type_name(view.type)));
  }
  return {};
}

Status check_size(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  const bool strings = view.type == DataType::kBytes;
  const auto expected = strings ? element_count(view.shape) : byte_size(view.type, view.shape);
  if (!expected || (!strings && *expected != view.size_bytes)) {
    return internal_error("output '" + spec.name + "' of model '" + plan.name + "' has " +
                          std::to_string(view.size_bytes) + " bytes, its shape " +
                          to_string(view.shape) + " needs " +
                          (expected ? std::to_string(*expected) : std::string("more than 2^64")));
  }
  return {};
}

// Bytes of the next `count` elements of a BYTES tensor; nullopt when there are fewer.
std::optional<std::size_t> string_bytes(StringCursor& cursor, std::uint64_t count) {
  const std::size_t before = cursor.left();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (cursor.done() || !cursor.next()) return std::nullopt;
  }
  return before - cursor.left();
}

Status strings_missing(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  return internal_error("output '" + spec.name + "' of model '" + plan.name +
                        "' does not hold the strings that its shape " + to_string(view.shape) +
                        " says");
}

// Cuts a tensor that was checked into parts, front to back.
class Cutter {
 public:
  explicit Cutter(const TensorView& whole) : strings_(whole.data, whole.size_bytes), next_(whole) {}

  // Places `part` over the next so many elements; false when there are fewer strings.
  [[nodiscard]] bool cut(std::uint64_t elements, TensorView& part) {
    // Of what is in memory already, so the product is at most what the tensor has.
    std::size_t size = elements * element_size(next_.type);
    if (next_.type == DataType::kBytes) {
      const auto bytes = string_bytes(strings_, elements);
      if (!bytes) return false;
      size = *bytes;
    }
    part.data = next_.data;
    part.size_bytes = size;
    next_.data += size;
    return true;
  }

 private:
  StringCursor strings_;
  TensorView next_;
};

}  // namespace

void give_output(const Request& request, Response& response, std::uint32_t spec,
                 const TensorView& view, const BufferLease& lease) {
  response.answered = true;
  if (spec >= request.plan().client_outputs()) return;
  if (!response.status.ok() || !request.wants_output(spec)) return;
  OutputTensor& output = response.outputs.append();
  output.spec = spec;
  output.view = view;
  output.lease = lease;
}

Status check_output(const ModelPlan& plan, std::uint32_t spec, TensorView& view) {
  const TensorSpec& tensor = plan.outputs[spec];
  const bool as_given = plan.outputs_as_given && plan.state_of_output(spec) < 0;
  if (!as_given) PENSTOCK_RETURN_IF_ERROR(check_type(plan, tensor, view));
  PENSTOCK_RETURN_IF_ERROR(check_size(plan, tensor, view));
  Shape shape = view.shape;
  if (!as_given || tensor.allows(view.shape, plan.batching())) {
    PENSTOCK_RETURN_IF_ERROR(client_shape(plan, tensor, view.shape, shape));
  }
  if (view.type == DataType::kBytes) {
    StringCursor cursor(view.data, view.size_bytes);
    const auto bytes = string_bytes(cursor, element_count(view.shape).value_or(0));
    if (!bytes || *bytes != view.size_bytes) return strings_missing(plan, tensor, view);
  }
  view.shape = shape;
  return {};
}

Status add_output(const Request& request, Response& response, std::uint32_t spec,
                  const TensorView& view, const BufferLease& lease) {
  TensorView out = view;
  if (view.memory == MemoryKind::kGpu) return on_no_device(request.plan(), spec, view);
  PENSTOCK_RETURN_IF_ERROR(check_output(request.plan(), spec, out));
  give_output(request, response, spec, out, lease);
  return {};
}

// How the rows of a batch's output fall to its requests.
Status Batch::check_rows(const TensorSpec& tensor, const TensorView& view) const {
  if (!plan_->batching()) {
    if (rows_.size() == 1) return {};
  } else if (view.shape[0] == total_batch_size_) {
    return {};
  }
  return internal_error("output '" + tensor.name + "' of model '" + plan_->name + "' has shape " +
                        to_string(view.shape) + " for a batch of " +
                        std::to_string(total_batch_size_));
}

Status Batch::scatter(std::uint32_t spec, const TensorView& view, const BufferLease& lease) {
  const TensorSpec& tensor = plan_->outputs[spec];
  if (view.memory == MemoryKind::kGpu) PENSTOCK_RETURN_IF_ERROR(offer(spec, view, lease));
  PENSTOCK_RETURN_IF_ERROR(check_type(*plan_, tensor, view));
  PENSTOCK_RETURN_IF_ERROR(check_size(*plan_, tensor, view));
  if (const BatchOutput* by = plan_->find_batch_output(spec)) return scatter_by(*by, view, lease);
  TensorView part = view;
  PENSTOCK_RETURN_IF_ERROR(client_shape(*plan_, tensor, view.shape, part.shape));
  PENSTOCK_RETURN_IF_ERROR(check_rows(tensor, view));
  if (rows_.size() == 1) return set_output(0, spec, view, lease);
  const auto rows = static_cast<std::uint64_t>(std::max<std::int64_t>(total_batch_size_, 1));
  const std::uint64_t row_elements = element_count(view.shape).value_or(0) / rows;
  Cutter cutter(view);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    part.shape[0] = rows_[i]->batch_size;
    if (!cutter.cut(row_elements * static_cast<std::uint64_t>(rows_[i]->batch_size), part)) {
      return strings_missing(*plan_, tensor, view);
    }
    PENSTOCK_RETURN_IF_ERROR(give(i, spec, part, lease));
  }
  return {};
}

// 2.4: a flat output, of which each request has as many elements, and the shape, as of its input.
Status Batch::scatter_by(const BatchOutput& by, const TensorView& view, const BufferLease& lease) {
  const TensorSpec& tensor = plan_->outputs[by.output];
  const TensorSpec& source = plan_->inputs[by.source_input];
  if (find(0, by.source_input) == nullptr) {
    return invalid_arg("output '" + tensor.name + "' of model '" + plan_->name +
                       "' takes its shape from input '" + source.name + "', which was not given");
  }
  const std::uint64_t elements = element_count(view.shape).value_or(0);
  const auto expected = static_cast<std::uint64_t>(ragged_elements(by.source_input));
  if (elements != expected) {
    return internal_error("output '" + tensor.name + "' of model '" + plan_->name + "' has " +
                          std::to_string(elements) + " elements, the shapes of input '" +
                          source.name + "' need " + std::to_string(expected));
  }
  Cutter cutter(view);
  TensorView part = view;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    part.shape = find(i, by.source_input)->view.shape;
    if (!cutter.cut(element_count(part.shape).value_or(0), part)) {
      return strings_missing(*plan_, tensor, view);
    }
    PENSTOCK_RETURN_IF_ERROR(give(i, by.output, part, lease));
  }
  return {};
}

}  // namespace penstock
