// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The checks of contract C-7, in its order: outputs' names, input count, inputs' names and batch,
// batch limit, then for each input data type, shape and byte size.
#include <string>

#include "penstock/request.h"
#include "request/string_tensor.h"

namespace penstock {
namespace {

std::string quoted_list(const std::vector<std::string_view>& names) {
  std::string text = "[";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += ',';
    text.append("'").append(names[i]).append("'");
  }
  return text + "]";
}

std::string_view input_name(const ModelPlan& plan, const InputTensor& input) {
  return input.spec == kUnknownSpec ? std::string_view(input.unknown_name)
                                    : std::string_view(plan.inputs[input.spec].name);
}

Status check_output_names(const Request& request) {
  for (const auto& output : request.outputs) {
    if (output.spec == kUnknownSpec) {
      return invalid_arg("unexpected inference output '" + output.unknown_name + "' for model '" +
                         request.plan().name + "'");
    }
  }
  return {};
}

std::size_t required_input_count(const ModelPlan& plan) {
  std::size_t required = 0;
  for (std::uint32_t i = 0; i < plan.client_inputs(); ++i) {
    required += plan.inputs[i].optional ? 0 : 1;
  }
  return required;
}

Status input_count_error(const Request& request, std::size_t required) {
  const ModelPlan& plan = request.plan();
  std::vector<std::string_view> got;
  std::vector<std::string_view> missing;
  for (const auto& input : request.inputs) got.push_back(input_name(plan, input));
  for (std::uint32_t i = 0; i < plan.client_inputs(); ++i) {
    if (!plan.inputs[i].optional && request.find_input(i) == nullptr) {
      missing.push_back(plan.inputs[i].name);
    }
  }
  std::string text;
  if (required == plan.client_inputs()) {
    text = "expected " + std::to_string(required) + " inputs";
  } else {
    text = "expected number of inputs between " + std::to_string(required) + " and " +
           std::to_string(plan.client_inputs());
  }
  text += " but got " + std::to_string(request.inputs.size()) + " inputs for model '" + plan.name +
          "'.";
  if (!missing.empty()) {
    text += " Got input(s) " + quoted_list(got) + ", but missing required input(s) " +
            quoted_list(missing) + ". Please provide all required input(s).";
  }
  return invalid_arg(std::move(text));
}

Status check_input_count(const Request& request) {
  const ModelPlan& plan = request.plan();
  const std::size_t required = required_input_count(plan);
  if (request.inputs.size() < required || request.inputs.size() > plan.client_inputs()) {
    return input_count_error(request, required);
  }
  return {};
}

// Names, and the batch size that all inputs agree on.
Status check_names_and_batch(Request& request) {
  const ModelPlan& plan = request.plan();
  request.batch_size = 1;
  bool first = true;
  for (const auto& input : request.inputs) {
    if (input.spec == kUnknownSpec) {
      return invalid_arg("unexpected inference input '" + input.unknown_name + "' for model '" +
                         plan.name + "'");
    }
    if (!plan.batching()) continue;
    const std::string& name = plan.inputs[input.spec].name;
    if (input.view.shape.empty()) {
      return invalid_arg("input '" + name +
                         "' has no shape but model requires batch dimension for '" + plan.name +
                         "'");
    }
    if (first) {
      request.batch_size = input.view.shape[0];
      first = false;
    } else if (request.batch_size != input.view.shape[0]) {
      return invalid_arg("input '" + name + "' batch size does not match other inputs for '" +
                         plan.name + "'");
    }
  }
  for (std::uint32_t i = 0; i < plan.client_inputs(); ++i) {
    if (!plan.inputs[i].optional && request.find_input(i) == nullptr) {
      return input_count_error(request, required_input_count(plan));
    }
  }
  if (plan.batching() && request.batch_size > plan.max_batch_size) {
    return invalid_arg("inference request batch-size must be <= " +
                       std::to_string(plan.max_batch_size) + " for '" + plan.name + "'");
  }
  return {};
}

std::string expected_shape(const ModelPlan& plan, const TensorSpec& spec) {
  Shape shape = spec.dims;
  if (plan.batching()) (void)shape.try_push_front(-1);
  return to_string(shape);
}

bool shape_fits(const ModelPlan& plan, const TensorSpec& spec, const Shape& shape) {
  const std::size_t lead = plan.batching() ? 1 : 0;
  if (shape.rank() != spec.dims.rank() + lead) return false;
  for (std::size_t i = 0; i < spec.dims.rank(); ++i) {
    if (spec.dims[i] >= 0 && spec.dims[i] != shape[i + lead]) return false;
  }
  return true;
}

constexpr std::string_view kBatchNote =
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be "
    "prepended to each input shape. If you want to specify the full shape including the batch dim "
    "in your input dims config, try setting max_batch_size to zero. See the model configuration "
    "docs for more info on max_batch_size.";

Status check_shape(const ModelPlan& plan, const TensorSpec& spec, const Shape& shape) {
  for (auto dim : shape.dims()) {
    if (dim < 0) {
      return invalid_arg("All input dimensions should be specified for input '" + spec.name +
                         "' for model '" + plan.name + "', got " + to_string(shape));
    }
  }
  if (!shape_fits(plan, spec, shape)) {
    std::string text = "unexpected shape for input '" + spec.name + "' for model '" + plan.name +
                       "'. Expected " + expected_shape(plan, spec) + ", got " + to_string(shape) +
                       ". ";
    if (plan.batching()) text += kBatchNote;
    return invalid_arg(std::move(text));
  }
  return {};
}

Status check_strings(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view,
                     std::uint64_t expected) {
  const std::string where =
      " for inference input '" + spec.name + "' for model '" + plan.name + "'";
  StringCursor cursor(view.data, view.size_bytes);
  std::uint64_t count = 0;
  while (!cursor.done()) {
    if (count >= expected) {
      return invalid_arg("unexpected number of string elements " + std::to_string(count + 1) +
                         where + ", expecting " + std::to_string(expected));
    }
    const std::size_t left = cursor.left();
    if (cursor.next()) {
      ++count;
    } else if (left < sizeof(std::uint32_t)) {
      return invalid_arg("incomplete string length indicator" + where +
                         ", expecting 4 bytes but only " + std::to_string(left) +
                         " bytes available. Please make sure the string length indicator is in one "
                         "buffer.");
    } else {
      return invalid_arg("incomplete string data" + where +
                         ", expecting string of length past the " +
                         std::to_string(left - sizeof(std::uint32_t)) + " bytes available");
    }
  }
  if (count != expected) {
    return invalid_arg("expected " + std::to_string(expected) + " string elements" + where +
                       ", got " + std::to_string(count));
  }
  return {};
}

Status check_bytes(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  const auto count = element_count(view.shape);
  if (!count) {
    return invalid_arg("invalid shape for input '" + spec.name + "': shape " +
                       to_string(view.shape) +
                       " causes total element count to exceed maximum size of 9223372036854775807");
  }
  if (view.type == DataType::kBytes) return check_strings(plan, spec, view, *count);
  const auto expected = byte_size(view.type, view.shape);
  if (!expected || *expected != view.size_bytes) {
    return invalid_arg("input byte size mismatch for input '" + spec.name + "' for model '" +
                       plan.name + "'. Expected " +
                       (expected ? std::to_string(*expected) : std::string("more than 2^64")) +
                       ", got " + std::to_string(view.size_bytes));
  }
  return {};
}

}  // namespace

Status validate_input(const ModelPlan& plan, const InputTensor& input) {
  const TensorSpec& spec = plan.inputs[input.spec];
  if (input.view.type != spec.type) {
    return invalid_arg("inference input '" + spec.name + "' data-type is '" +
                       std::string(data_type_name(input.view.type)) + "', but model '" + plan.name +
                       "' expects '" + std::string(data_type_name(spec.type)) + "'");
  }
  PENSTOCK_RETURN_IF_ERROR(check_shape(plan, spec, input.view.shape));
  return check_bytes(plan, spec, input.view);
}

namespace {

Status check_all(Request& request) {
  PENSTOCK_RETURN_IF_ERROR(check_output_names(request));
  PENSTOCK_RETURN_IF_ERROR(check_input_count(request));
  PENSTOCK_RETURN_IF_ERROR(check_names_and_batch(request));
  for (const auto& input : request.inputs) {
    PENSTOCK_RETURN_IF_ERROR(validate_input(request.plan(), input));
  }
  return {};
}

}  // namespace

Status validate(Request& request) {
  Status status = check_all(request);
  return status.ok() ? std::move(status) : std::move(status).with_prefix(request.tag_text());
}

}  // namespace penstock
