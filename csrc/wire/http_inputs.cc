// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The inputs of an HTTP inference body: JSON, binary (1.6) and raw (B-3).
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include "wire/http_decoder.h"
#include "wire/json_tensor.h"
#include "wire/request_rules.h"

namespace penstock::wire {

// H-43.
struct HttpDecoder::InputParameters {
  bool has_binary_size = false;
  bool has_region = false;
  std::uint64_t binary_size = 0;
  RegionReference region;
};

Status HttpDecoder::read_inputs(const Member& member) {
  simdjson::dom::array items;
  PENSTOCK_RETURN_IF_ERROR(read_member(member, Place{}, items));
  Place place{"inputs"};
  for (const auto item : items) {
    if (place.index == limits_.max_tensors) {
      return too_many("inputs", items.size(), limits_.max_tensors);
    }
    PENSTOCK_RETURN_IF_ERROR(read_input(item, place));
    ++place.index;
  }
  return {};
}

Status HttpDecoder::read_input(simdjson::dom::element item, const Place& place) {
  simdjson::dom::object object;
  if (item.get(object)) return unable_to_parse("inputs", "expected an array of objects", place);
  std::array members{Member("name"), Member("datatype"), Member("shape"), Member("data"),
                     Member("parameters")};
  PENSTOCK_RETURN_IF_ERROR(collect_members(object, members, place));
  const auto& [name_member, type_member, shape_member, data, parameter_member] = members;
  std::string_view name;
  std::string_view type_name;
  PENSTOCK_RETURN_IF_ERROR(read_member(name_member, place, name));
  PENSTOCK_RETURN_IF_ERROR(read_member(type_member, place, type_name));
  InputTensor* input = nullptr;
  PENSTOCK_RETURN_IF_ERROR(add_input(request_, name, input));
  PENSTOCK_RETURN_IF_ERROR(read_shape(shape_member, name, place, input->view.shape));
  input->view.type = parse_data_type(type_name);
  if (input->view.type == DataType::kInvalid) return invalid_data_type(name);
  InputParameters parameters;
  if (parameter_member.present) {
    PENSTOCK_RETURN_IF_ERROR(read_input_parameters(parameter_member, place, parameters));
  }
  PENSTOCK_RETURN_IF_ERROR(check_source(data.present, parameters));
  PENSTOCK_RETURN_IF_ERROR(check_shape(name, input->view.type, input->view.shape));
  if (parameters.has_region) {
    return take_input(source_, parameters.region, request_.plan(), name, *input);
  }
  if (data.present) return read_data(data, name, place, *input);
  return take_binary(name, parameters.binary_size, *input);
}

Status HttpDecoder::read_shape(const Member& member, std::string_view input, const Place& place,
                               Shape& shape) {
  simdjson::dom::array dims;
  PENSTOCK_RETURN_IF_ERROR(read_member(member, place, dims));
  for (const auto item : dims) {
    std::int64_t dim = 0;
    if (item.get(dim)) {
      std::string reason = "dimension " + std::to_string(shape.rank()) + " is ";
      reason.append(item.is_uint64() ? "larger than 9223372036854775807" : kind_name(item));
      reason.append(item.is_uint64() ? "" : ", expected an integer");
      return unable_to_parse("shape", reason, place);
    }
    if (!shape.try_push_back(dim)) return rank_too_high(input, dims.size());
  }
  return {};
}

Status HttpDecoder::read_input_parameters(const Member& member, const Place& place,
                                          InputParameters& out) {
  simdjson::dom::object object;
  PENSTOCK_RETURN_IF_ERROR(read_member(member, place, object));
  std::array members{Member("binary_data_size"), Member("shared_memory_region"),
                     Member("shared_memory_offset"), Member("shared_memory_byte_size")};
  PENSTOCK_RETURN_IF_ERROR(collect_members(object, members, place));
  const auto& [binary_size, region, offset, region_bytes] = members;
  out.has_binary_size = binary_size.present;
  out.has_region = region.present;
  if (binary_size.present) {
    PENSTOCK_RETURN_IF_ERROR(read_member(binary_size, place, out.binary_size));
  }
  if (!region.present) return {};
  PENSTOCK_RETURN_IF_ERROR(read_member(region, place, out.region.region));
  if (offset.present) PENSTOCK_RETURN_IF_ERROR(read_member(offset, place, out.region.offset));
  return read_member(region_bytes, place, out.region.size_bytes);
}

// H-42.
Status HttpDecoder::check_source(bool has_data, const InputParameters& parameters) const {
  const int sources = static_cast<int>(has_data) + static_cast<int>(parameters.has_binary_size) +
                      static_cast<int>(parameters.has_region);
  if (sources == 1) return {};
  std::string text =
      "Input must set only one of the following fields: 'data', 'binary_data_size' in "
      "'parameters', 'shared_memory_region' in 'parameters'. But ";
  text.append(sources == 0 ? "no field is set" : "set");
  if (has_data) text.append(" 'data'");
  if (parameters.has_binary_size) text.append(" 'binary_data_size'");
  if (parameters.has_region) text.append(" 'shared_memory_region'");
  return invalid_arg(std::move(text));
}

// B-1.
Status HttpDecoder::take_binary(std::string_view name, std::uint64_t size_bytes,
                                InputTensor& input) {
  if (size_bytes > 0 && !has_binary_part_) {
    return invalid_arg(
        "must specify valid 'Infer-Header-Content-Length' in request header and "
        "'binary_data_size' when passing inputs in binary data format");
  }
  const std::size_t left = body_.size() - binary_at_;
  if (size_bytes > left) return missing_bytes(request_, name, size_bytes - left);
  borrow(input, body_.data() + binary_at_, size_bytes, owner_);
  binary_at_ += size_bytes;
  return {};
}

// H-41.
Status HttpDecoder::read_data(const Member& member, std::string_view name, const Place& place,
                              InputTensor& input) {
  JsonTensor tensor;
  tensor.name = name;
  tensor.type = input.view.type;
  PENSTOCK_RETURN_IF_ERROR(check_json_type(name, tensor.type));
  PENSTOCK_RETURN_IF_ERROR(read_member(member, place, tensor.data));
  tensor.count = element_count(input.view.shape).value_or(0);
  tensor.nonfinite = document_.has_nonfinite();
  std::uint64_t size_bytes = tensor.count * element_size(tensor.type);
  if (tensor.type == DataType::kBytes) {
    PENSTOCK_RETURN_IF_ERROR(measure_strings(tensor, size_bytes));
  }
  if (size_bytes > limits_.max_input_bytes) {
    const std::string what = "JSON input '" + std::string(name) + "' has a byte_size (";
    return too_large(what, size_bytes, " bytes) that exceeds the maximum allowed value of ");
  }
  // Memory is taken only for what the text can hold: every element needs a character at least.
  if (tensor.count > json_bytes_) {
    return internal_error("Failed to parse 'data' field: shape does not match true shape");
  }
  std::byte* bytes = nullptr;
  PENSTOCK_RETURN_IF_ERROR(acquire(pool_, name, size_bytes, input, bytes));
  return read_elements(tensor, bytes);
}

Status HttpDecoder::raw_shape(const TensorSpec& spec, Shape& shape) const {
  const bool bytes = spec.type == DataType::kBytes;
  std::size_t variable = spec.dims.rank();
  std::uint64_t fixed = 1;  // elements in one step of the variable dimension
  for (std::size_t i = 0; i < spec.dims.rank(); ++i) {
    if (spec.dims[i] >= 0) {
      fixed = checked_mul(fixed, static_cast<std::uint64_t>(spec.dims[i])).value_or(UINT64_MAX);
    } else if (variable == spec.dims.rank()) {
      variable = i;
    } else {
      return invalid_arg("The shape of the raw input '" + spec.name +
                         "' can not be deduced because there are more than one variable-sized "
                         "dimension");
    }
  }
  if (bytes && fixed != 1) {
    return invalid_arg("For BYTE datatype raw input '" + spec.name +
                       "', the model must have input shape [1]");
  }
  shape = spec.dims;
  if (variable < shape.rank()) {
    const auto step = checked_mul(fixed, element_size(spec.type)).value_or(UINT64_MAX);
    const std::uint64_t steps = step == 0 ? 0 : body_.size() / step;
    shape[variable] = bytes ? 1 : static_cast<std::int64_t>(steps);
  }
  const bool fits = !request_.plan().batching() || shape.try_push_front(1);
  return fits ? Status{} : rank_too_high(spec.name, spec.dims.rank() + 1);
}

Status HttpDecoder::decode_raw() {
  const ModelPlan& plan = request_.plan();
  if (plan.client_inputs() != 1) {
    const std::string count = std::to_string(plan.client_inputs());
    return invalid_arg("Raw request must only have 1 input (found " + count +
                       ") to be deduced but got " + count + " inputs in '" + plan.name +
                       "' model configuration");
  }
  if (body_.size() > limits_.max_input_bytes) {
    return too_large("Raw input has a byte_size (", body_.size(),
                     " bytes) that exceeds the maximum allowed value of ");
  }
  const TensorSpec& spec = plan.inputs.front();
  Shape shape;
  PENSTOCK_RETURN_IF_ERROR(raw_shape(spec, shape));
  InputTensor* input = nullptr;
  PENSTOCK_RETURN_IF_ERROR(add_input(request_, spec.name, input));
  input->view.type = spec.type;
  input->view.shape = shape;
  request_.binary_data_output = true;
  if (spec.type != DataType::kBytes) {
    borrow(*input, body_.data(), body_.size(), owner_);
    return {};
  }
  if (body_.size() > std::numeric_limits<std::uint32_t>::max()) {
    return invalid_arg("Raw input of " + std::to_string(body_.size()) +
                       " bytes is too long for one BYTES element");
  }
  const auto length = static_cast<std::uint32_t>(body_.size());
  std::byte* bytes = nullptr;
  PENSTOCK_RETURN_IF_ERROR(acquire(pool_, spec.name, sizeof(length) + length, *input, bytes));
  std::memcpy(bytes, &length, sizeof(length));
  if (length > 0) std::memcpy(bytes + sizeof(length), body_.data(), length);
  return {};
}

}  // namespace penstock::wire
