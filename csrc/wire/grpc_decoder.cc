// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/grpc_decoder.h"

#include <algorithm>
#include <limits>
#include <string>

#include "wire/proto_contents.h"
#include "wire/request_rules.h"

namespace penstock::wire {
namespace {

Status wrong_type(std::string_view parameter, std::string_view expected) {
  std::string text = "invalid value type for '";
  text.append(parameter).append("' parameter, expected ").append(expected);
  return invalid_arg(std::move(text));
}

Status unexpected_contents(const Request& request, std::string_view input, std::string_view rest) {
  std::string text = "unexpected explicit tensor data for input tensor '";
  text.append(input).append("' for model '").append(request.plan().name).append("'").append(rest);
  return invalid_arg(std::move(text));
}

Status priority_of(const ProtoValue& value, std::uint64_t& priority) {
  if (const auto* number = std::get_if<std::uint64_t>(&value)) {
    priority = *number;
    return {};
  }
  const auto* number = std::get_if<std::int64_t>(&value);
  if (!number) return wrong_type("priority", "int64_param or uint64_param.");
  if (*number < 0) return invalid_arg("invalid value for 'priority', expected value >= 0.");
  priority = static_cast<std::uint64_t>(*number);
  return {};
}

Status timeout_of(const ProtoValue& value, std::uint64_t& timeout_us) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (!number) return wrong_type("timeout", "int64_param.");
  if (*number < 0) return invalid_arg("invalid value for 'timeout', expected value >= 0.");
  timeout_us = static_cast<std::uint64_t>(*number);
  return {};
}

// The model may see it, too.
Status deadline_of(const ProtoParameter& parameter, Request& request) {
  std::uint64_t ms = 0;
  if (const auto* number = std::get_if<std::int64_t>(&parameter.value)) {
    if (*number < 0) return invalid_arg("invalid value for 'deadline_ms', expected value >= 0.");
    ms = static_cast<std::uint64_t>(*number);
  } else if (const auto* positive = std::get_if<std::uint64_t>(&parameter.value)) {
    ms = *positive;
  } else {
    return wrong_type("deadline_ms", "int64_param or uint64_param.");
  }
  request.deadline_ms = ms;
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  wire::parameter(request, parameter.name).value = static_cast<std::int64_t>(std::min(ms, kMost));
  return {};
}

Status sequence_of(const ProtoValue& value, Request& request) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return set_correlation_id(request, *text);
  }
  const auto* number = std::get_if<std::int64_t>(&value);
  if (!number) return wrong_type("sequence_id", "int64_param or string_param.");
  request.correlation_id = static_cast<std::uint64_t>(*number);  // ids above 2^63 come as negative
  return {};
}

Status flag_of(const ProtoParameter& parameter, RequestFlag flag, Request& request) {
  const auto* on = std::get_if<bool>(&parameter.value);
  if (!on) return wrong_type(parameter.name, "bool_param.");
  set_flag(request, flag, *on);
  return {};
}

// `text`: of a parameter `key` in a list, if it is there.
Status string_in(const std::vector<ProtoParameter>& parameters, std::string_view key,
                 std::string_view tensor, std::string_view& text, bool& found) {
  const auto at = std::find_if(parameters.begin(), parameters.end(),
                               [&](const auto& p) { return p.name == key; });
  found = at != parameters.end();
  if (!found) return {};
  if (const auto* value = std::get_if<std::string_view>(&at->value)) {
    text = *value;
    return {};
  }
  return invalid_arg("invalid value type for '" + std::string(key) + "' parameter for tensor '" +
                     std::string(tensor) + "', expected string_param.");
}

// A size or an offset, which goes with a region. A negative one is beyond every region.
Status size_in(const std::vector<ProtoParameter>& parameters, std::string_view key,
               std::string_view tensor, bool has_region, std::uint64_t& size) {
  const auto at = std::find_if(parameters.begin(), parameters.end(),
                               [&](const auto& p) { return p.name == key; });
  if (at == parameters.end()) return {};
  if (!has_region) {
    return invalid_arg("'" + std::string(key) +
                       "' can not be specified without 'shared_memory_region' parameter for "
                       "tensor '" +
                       std::string(tensor) + "'");
  }
  if (const auto* value = std::get_if<std::int64_t>(&at->value)) {
    size = static_cast<std::uint64_t>(*value);
    return {};
  }
  return invalid_arg("invalid value type for '" + std::string(key) + "' parameter for tensor '" +
                     std::string(tensor) + "', expected int64_param.");
}

Status class_count_of(const ProtoValue& value, std::uint32_t& count) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (!number) return wrong_type("classification", "int64_param");
  if (*number <= 0) {
    return invalid_arg("invalid value for 'classification' parameter, expected >= 0");
  }
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  count = static_cast<std::uint32_t>(std::min(*number, kMost));
  return {};
}

}  // namespace

// 1.8.
Status GrpcDecoder::apply_parameter(const ProtoParameter& parameter, Request& request) {
  const std::string_view name = parameter.name;
  if (name == "sequence_id") return sequence_of(parameter.value, request);
  if (name == "sequence_start") return flag_of(parameter, kSequenceStart, request);
  if (name == "sequence_end") return flag_of(parameter, kSequenceEnd, request);
  if (name == "priority") return priority_of(parameter.value, request.priority);
  if (name == "deadline_ms") return deadline_of(parameter, request);
  if (name == "timeout") return timeout_of(parameter.value, request.timeout_us);
  if (name == "triton_enable_empty_final_response") {
    const auto* on = std::get_if<bool>(&parameter.value);
    if (!on) return wrong_type(name, "bool_param.");
    request.wants_empty_final = *on;  // means something on a stream alone
    return {};
  }
  return apply_custom(parameter, request);
}

Status GrpcDecoder::apply_custom(const ProtoParameter& parameter, Request& request) {
  PENSTOCK_RETURN_IF_ERROR(check_key_length(parameter.name));
  if (is_reserved_key(parameter.name)) {
    return invalid_arg(
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following "
        "keys starting with 'triton_' are allowed: triton_enable_empty_final_response");
  }
  Parameter& custom = wire::parameter(request, parameter.name);
  if (const auto* text = std::get_if<std::string_view>(&parameter.value)) {
    assign(custom, *text);
  } else if (const auto* integer = std::get_if<std::int64_t>(&parameter.value)) {
    custom.value = *integer;
  } else if (const auto* on = std::get_if<bool>(&parameter.value)) {
    custom.value = *on;
  } else if (const auto* number = std::get_if<double>(&parameter.value)) {
    custom.value = *number;
  } else {
    return wrong_type(parameter.name, "int64_param, bool_param, or string_param.");
  }
  return {};
}

// SHM-7.
Status GrpcDecoder::find_region(const ProtoTensorHead& head, RegionReference& region,
                                bool& found) const {
  PENSTOCK_RETURN_IF_ERROR(
      string_in(tensor_parameters_, "shared_memory_region", head.name, region.region, found));
  PENSTOCK_RETURN_IF_ERROR(
      size_in(tensor_parameters_, "shared_memory_offset", head.name, found, region.offset));
  return size_in(tensor_parameters_, "shared_memory_byte_size", head.name, found,
                 region.size_bytes);
}

Status GrpcDecoder::read_input(std::string_view message, const BufferLease& owner,
                               Request& request) {
  ProtoTensorHead head;
  PENSTOCK_RETURN_IF_ERROR(read_tensor_head(message, limits_, head, tensor_parameters_));
  InputTensor* input = nullptr;
  PENSTOCK_RETURN_IF_ERROR(add_input(request, head.name, input));
  if (head.rank > Shape::kMaxRank) return rank_too_high(head.name, head.rank);
  input->view.shape = head.shape;
  input->view.type = parse_data_type(head.datatype);
  if (input->view.type == DataType::kInvalid) return invalid_data_type(head.name);
  RegionReference region;
  bool has_region = false;
  PENSTOCK_RETURN_IF_ERROR(find_region(head, region, has_region));
  PENSTOCK_RETURN_IF_ERROR(check_shape(head.name, input->view.type, head.shape));
  if (has_region) {
    if (!head.has_contents) return take_input(source_, region, request.plan(), head.name, *input);
    return invalid_arg("unexpected 'content' provided when using shared memory for input tensor '" +
                       std::string(head.name) + "' for model '" + request.plan().name + "'");
  }
  if (head.has_contents) return read_typed(message, head, request, *input);
  if (next_raw_ == parts_.raw_contents.size()) {
    return invalid_arg("unable to find data for input tensor '" + std::string(head.name) +
                       "' for model '" + request.plan().name + "' in request.");
  }
  const std::string_view raw = parts_.raw_contents[next_raw_++];
  borrow(*input, reinterpret_cast<const std::byte*>(raw.data()), raw.size(), owner);
  return {};
}

// G-21.
Status GrpcDecoder::read_typed(std::string_view message, const ProtoTensorHead& head,
                               const Request& request, InputTensor& input) {
  if (!parts_.raw_contents.empty()) {
    return invalid_arg("contents field must not be specified when using raw_input_contents for '" +
                       std::string(head.name) + "' for model '" + request.plan().name + "'");
  }
  const DataType type = input.view.type;
  const std::uint32_t expected = contents_field(type);
  const ContentsTally tally = tally_contents(message);
  bool supplied = false;
  for (std::uint32_t field = 1; field <= kContentsFields; ++field) {
    if (tally.values[field] == 0) continue;
    if (supplied) {
      return unexpected_contents(request, head.name, ", binary data was already supplied.");
    }
    if (field != expected) {
      std::string rest = " of type '";
      rest.append(contents_field_type(field)).append("', expected datatype '");
      rest.append(data_type_name(type)).append("'");
      return unexpected_contents(request, head.name, rest);
    }
    supplied = true;
  }
  const std::uint64_t size_bytes =
      type == DataType::kBytes ? tally.string_bytes : tally.values[expected] * element_size(type);
  std::byte* bytes = nullptr;
  PENSTOCK_RETURN_IF_ERROR(acquire(pool_, head.name, size_bytes, input, bytes));
  std::string misfit;
  if (write_contents(message, type, bytes, misfit)) return {};
  return invalid_arg("value " + misfit + " of input tensor '" + std::string(head.name) +
                     "' for model '" + request.plan().name + "' is out of range for datatype '" +
                     std::string(data_type_name(type)) + "'");
}

Status GrpcDecoder::read_output(std::string_view message, Request& request) {
  ProtoTensorHead head;
  PENSTOCK_RETURN_IF_ERROR(read_output_head(message, limits_, head, tensor_parameters_));
  RequestedOutput* output = nullptr;
  PENSTOCK_RETURN_IF_ERROR(add_output(request, head.name, output));
  for (const ProtoParameter& parameter : tensor_parameters_) {
    if (parameter.name != "classification") continue;
    PENSTOCK_RETURN_IF_ERROR(class_count_of(parameter.value, output->class_count));
  }
  RegionReference region;
  bool has_region = false;
  PENSTOCK_RETURN_IF_ERROR(find_region(head, region, has_region));
  if (!has_region) return {};
  if (output->class_count > 0) {
    return invalid_arg("output can't set both 'shared_memory_region' and 'classification'");
  }
  return take_output(source_, region, *output);
}

Status GrpcDecoder::decode(ByteSpan message, const BufferLease& owner, Request& request,
                           Answers answers) {
  PENSTOCK_RETURN_IF_ERROR(read_request(message, limits_, parts_));
  request.id.assign(parts_.id);
  if (request.plan().decoupled && answers == Answers::kOne) {  // G-22
    return unsupported("ModelInfer RPC doesn't support models with decoupled transaction policy");
  }
  for (const ProtoParameter& parameter : parts_.parameters) {
    PENSTOCK_RETURN_IF_ERROR(apply_parameter(parameter, request));
  }
  next_raw_ = 0;
  for (const std::string_view input : parts_.inputs) {
    PENSTOCK_RETURN_IF_ERROR(read_input(input, owner, request));
  }
  if (next_raw_ != parts_.raw_contents.size()) return surplus_bytes(request);
  for (const std::string_view output : parts_.outputs) {
    PENSTOCK_RETURN_IF_ERROR(read_output(output, request));
  }
  return {};
}

}  // namespace penstock::wire
