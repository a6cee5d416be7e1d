// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/json_writer.h"

#include <type_traits>

#include "request/string_tensor.h"
#include "wire/number_text.h"

namespace penstock::wire {
namespace {

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

void append_escape(std::string& out, char c) {
  constexpr char kHex[] = "0123456789ABCDEF";
  switch (c) {
    case '"':
    case '\\':
      out.push_back('\\');
      out.push_back(c);
      return;
    case '\b':
      out.append("\\b");
      return;
    case '\f':
      out.append("\\f");
      return;
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    default:
      out.append("\\u00");
      out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out.push_back(kHex[static_cast<unsigned char>(c) & 15]);
  }
}

Status broken_shape(std::string_view name) {
  return internal_error("output tensor shape does not match size of output for '" +
                        std::string(name) + "'");
}

Status append_strings(std::string& out, std::string_view name, const TensorView& tensor,
                      std::uint64_t count) {
  StringCursor cursor(tensor.data, tensor.size_bytes);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto text = cursor.next();
    if (!text) return broken_shape(name);
    if (i > 0) out.push_back(',');
    append_json_string(out, *text);
  }
  return cursor.done() ? Status{} : broken_shape(name);
}

Status append_elements(std::string& out, const TensorView& tensor, std::uint64_t count) {
  const std::byte* data = tensor.data;
  switch (tensor.type) {
    case DataType::kBool:
      append_numbers<bool>(out, data, count);
      return {};
    case DataType::kUint8:
      append_numbers<std::uint8_t>(out, data, count);
      return {};
    case DataType::kUint16:
      append_numbers<std::uint16_t>(out, data, count);
      return {};
    case DataType::kUint32:
      append_numbers<std::uint32_t>(out, data, count);
      return {};
    case DataType::kUint64:
      append_numbers<std::uint64_t>(out, data, count);
      return {};
    case DataType::kInt8:
      append_numbers<std::int8_t>(out, data, count);
      return {};
    case DataType::kInt16:
      append_numbers<std::int16_t>(out, data, count);
      return {};
    case DataType::kInt32:
      append_numbers<std::int32_t>(out, data, count);
      return {};
    case DataType::kInt64:
      append_numbers<std::int64_t>(out, data, count);
      return {};
    case DataType::kFp32:
      append_numbers<float>(out, data, count);
      return {};
    case DataType::kFp64:
      append_numbers<double>(out, data, count);
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
      return invalid_arg("sending " + std::string(data_type_name(tensor.type)) +
                         " data via JSON is not supported. Please use the binary data format for "
                         "output");
    case DataType::kBytes:
    case DataType::kInvalid:
      break;
  }
  return internal_error("Invalid data type for output tensor");
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!needs_escape(text[i])) continue;
    out.append(text, copied, i - copied);
    append_escape(out, text[i]);
    copied = i + 1;
  }
  out.append(text, copied);
  out.push_back('"');
}

void append_json_parameter(std::string& out, const Parameter& parameter) {
  append_json_string(out, parameter.name);
  out.push_back(':');
  std::visit(
      [&out](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
          append_json_string(out, value);
        } else {
          append_number(out, value);
        }
      },
      parameter.value);
}

void append_json_shape(std::string& out, const Shape& shape) {
  out.push_back('[');
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i > 0) out.push_back(',');
    append_number(out, shape[i]);
  }
  out.push_back(']');
}

Status append_json_data(std::string& out, std::string_view name, const TensorView& tensor) {
  const auto count = element_count(tensor.shape);
  if (!count) return broken_shape(name);
  out.push_back('[');
  if (tensor.type == DataType::kBytes) {
    PENSTOCK_RETURN_IF_ERROR(append_strings(out, name, tensor, *count));
  } else {
    const auto size = byte_size(tensor.type, tensor.shape);
    if (size && *size != tensor.size_bytes) return broken_shape(name);
    PENSTOCK_RETURN_IF_ERROR(append_elements(out, tensor, *count));
  }
  out.push_back(']');
  return {};
}

}  // namespace penstock::wire
