// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/http_decoder.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "wire/request_rules.h"

namespace penstock::wire {
namespace {

constexpr Place kTop{};

enum Reserved : std::uint8_t {
  kSequenceIdKey,
  kSequenceStartKey,
  kSequenceEndKey,
  kPriorityKey,
  kTimeoutKey,
  kBinaryOutputKey,
};
constexpr std::array<std::string_view, 6> kReservedKeys{
    "sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output"};

}  // namespace

Status HttpDecoder::too_large(std::string_view what, std::uint64_t size_bytes,
                              std::string_view verb) const {
  std::string text(what);
  text.append(std::to_string(size_bytes)).append(verb);
  text.append(std::to_string(limits_.max_input_bytes));
  text.append(" bytes. Use --http-max-input-size to increase the limit.");
  return invalid_arg(std::move(text));
}

// simdjson reads some bytes behind the text: the tensors that follow, or what the owner's buffer
// has behind the body.
bool HttpDecoder::padded(std::size_t json_bytes) const {
  const std::byte* text_end = body_.data() + json_bytes;
  const std::byte* readable_end = body_.data() + body_.size();
  if (const Buffer* buffer = owner_.get(); buffer != nullptr && buffer->data != nullptr) {
    const std::byte* buffer_end = buffer->data + buffer->size_bytes;
    const bool inside =
        !std::less<>{}(body_.data(), buffer->data) && !std::less<>{}(buffer_end, readable_end);
    if (inside) readable_end = buffer_end;
  }
  return static_cast<std::size_t>(readable_end - text_end) >= JsonDocument::kPadding;
}

Status HttpDecoder::parse_head(std::uint64_t json_bytes, simdjson::dom::object& root) {
  if (json_bytes > body_.size()) {
    return invalid_arg("unexpected size for request JSON, expecting " +
                       std::to_string(json_bytes - body_.size()) + " more bytes");
  }
  if (json_bytes > limits_.max_input_bytes) {
    return too_large("request JSON size of ", json_bytes,
                     " bytes exceeds the maximum allowed input size of ");
  }
  json_bytes_ = json_bytes;
  binary_at_ = json_bytes_;
  const std::string_view json(reinterpret_cast<const char*>(body_.data()), json_bytes_);
  simdjson::dom::element element;
  PENSTOCK_RETURN_IF_ERROR(document_.parse(json, padded(json_bytes_), element));
  if (element.get(root)) return unable_to_parse("inputs", "the request is not an object", kTop);
  return {};
}

Status HttpDecoder::decode_json(std::optional<std::uint64_t> json_bytes) {
  has_binary_part_ = json_bytes.has_value();
  simdjson::dom::object root;
  PENSTOCK_RETURN_IF_ERROR(parse_head(json_bytes.value_or(body_.size()), root));
  std::array members{Member("id"), Member("parameters"), Member("inputs"), Member("outputs")};
  PENSTOCK_RETURN_IF_ERROR(collect_members(root, members, kTop));
  const auto& [id, parameters, inputs, outputs] = members;
  if (id.present) {
    std::string_view text;
    PENSTOCK_RETURN_IF_ERROR(read_member(id, kTop, text));
    request_.id.assign(text);
  }
  if (parameters.present) PENSTOCK_RETURN_IF_ERROR(read_parameters(parameters));
  PENSTOCK_RETURN_IF_ERROR(read_inputs(inputs));
  if (outputs.present) PENSTOCK_RETURN_IF_ERROR(read_outputs(outputs));
  return binary_at_ == body_.size() ? Status{} : surplus_bytes(request_);
}

// H-46, H-47.
Status HttpDecoder::read_parameters(const Member& member) {
  simdjson::dom::object object;
  PENSTOCK_RETURN_IF_ERROR(read_member(member, kTop, object));
  std::uint64_t count = 0;
  for (const auto [key, value] : object) {
    if (++count > limits_.max_parameters) {
      return too_many("parameters", object.size(), limits_.max_parameters);
    }
    Member parameter(key);
    parameter.value = value;
    parameter.present = true;
    bool reserved = false;
    PENSTOCK_RETURN_IF_ERROR(read_reserved(parameter, reserved));
    if (!reserved) PENSTOCK_RETURN_IF_ERROR(read_custom(key, value));
  }
  return {};
}

Status HttpDecoder::read_reserved(const Member& parameter, bool& reserved) {
  if (parameter.name == "deadline_ms") {  // the model may see it, too
    std::uint64_t ms = 0;
    PENSTOCK_RETURN_IF_ERROR(read_member(parameter, kTop, ms));
    request_.deadline_ms = std::min(request_.deadline_ms, ms);
    return {};
  }
  const auto* found = std::find(kReservedKeys.begin(), kReservedKeys.end(), parameter.name);
  reserved = found != kReservedKeys.end();
  if (!reserved) return {};
  const auto key = static_cast<Reserved>(found - kReservedKeys.begin());
  if ((reserved_seen_ & (1u << key)) != 0) {
    return unable_to_parse(parameter.name, "the parameter occurs twice", kTop);
  }
  reserved_seen_ |= 1u << key;
  if (key == kSequenceIdKey) {
    std::string_view text;
    if (!parameter.value.get(text)) return set_correlation_id(request_, text);
    return read_member(parameter, kTop, request_.correlation_id);
  }
  if (key == kPriorityKey) return read_member(parameter, kTop, request_.priority);
  if (key == kTimeoutKey) return read_member(parameter, kTop, request_.timeout_us);
  bool on = false;
  PENSTOCK_RETURN_IF_ERROR(read_member(parameter, kTop, on));
  if (key == kSequenceStartKey) set_flag(request_, kSequenceStart, on);
  if (key == kSequenceEndKey) set_flag(request_, kSequenceEnd, on);
  if (key == kBinaryOutputKey) request_.binary_data_output = on;
  return {};
}

Status HttpDecoder::read_custom(std::string_view key, simdjson::dom::element value) {
  if (is_reserved_key(key)) {
    return invalid_arg(
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
        "specified.");
  }
  PENSTOCK_RETURN_IF_ERROR(check_key_length(key));
  if (has_parameter(request_, forwarded_, key)) {
    return unable_to_parse(key, "the parameter occurs twice", kTop);
  }
  Parameter& custom = parameter(request_, key);
  if (std::string_view text; !value.get(text)) {
    assign(custom, text);
  } else if (std::int64_t integer = 0; !value.get(integer)) {
    custom.value = integer;
  } else if (bool on = false; !value.get(on)) {
    custom.value = on;
  } else if (double number = 0; !value.get(number)) {
    custom.value = number;
  } else {
    std::string text = "parameter '";
    text.append(key);
    text.append("' has invalid type. It should be either 'int', 'bool', or 'string'.");
    return invalid_arg(std::move(text));
  }
  return {};
}

Status HttpDecoder::read_outputs(const Member& member) {
  simdjson::dom::array items;
  PENSTOCK_RETURN_IF_ERROR(read_member(member, kTop, items));
  Place place{"outputs"};
  for (const auto item : items) {
    if (place.index == limits_.max_tensors) {
      return too_many("outputs", items.size(), limits_.max_tensors);
    }
    PENSTOCK_RETURN_IF_ERROR(read_output(item, place));
    ++place.index;
  }
  return {};
}

// H-44, H-45.
Status HttpDecoder::read_output(simdjson::dom::element item, const Place& place) {
  simdjson::dom::object object;
  if (item.get(object)) return unable_to_parse("outputs", "expected an array of objects", place);
  std::array members{Member("name"), Member("parameters")};
  PENSTOCK_RETURN_IF_ERROR(collect_members(object, members, place));
  std::string_view name;
  PENSTOCK_RETURN_IF_ERROR(read_member(members[0], place, name));
  RequestedOutput* output = nullptr;
  PENSTOCK_RETURN_IF_ERROR(add_output(request_, name, output));
  if (!members[1].present) return {};

  PENSTOCK_RETURN_IF_ERROR(read_member(members[1], place, object));
  std::array parameters{Member("classification"), Member("binary_data"),
                        Member("shared_memory_region"), Member("shared_memory_offset"),
                        Member("shared_memory_byte_size")};
  PENSTOCK_RETURN_IF_ERROR(collect_members(object, parameters, place));
  const auto& [classification, binary, region, offset, region_bytes] = parameters;
  std::uint64_t class_count = 0;
  if (classification.present) {
    PENSTOCK_RETURN_IF_ERROR(read_member(classification, place, class_count));
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    output->class_count = static_cast<std::uint32_t>(std::min(class_count, kMost));
  }
  if (binary.present) PENSTOCK_RETURN_IF_ERROR(read_member(binary, place, output->binary));
  if (!region.present) return {};
  if (class_count > 0) {
    return invalid_arg("Output can't set both 'shared_memory_region' and 'classification'");
  }
  if (output->binary) {
    return invalid_arg("Output can't set both 'shared_memory_region' and 'binary_data'");
  }
  RegionReference to;
  PENSTOCK_RETURN_IF_ERROR(read_member(region, place, to.region));
  if (offset.present) PENSTOCK_RETURN_IF_ERROR(read_member(offset, place, to.offset));
  PENSTOCK_RETURN_IF_ERROR(read_member(region_bytes, place, to.size_bytes));
  return take_output(source_, to, *output);
}

}  // namespace penstock::wire
