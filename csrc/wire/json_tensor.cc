// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/json_tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "wire/json_members.h"
#include "wire/json_scan.h"

namespace penstock::wire {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// INTERNAL, as the contract has it.
Status too_many() {
  return internal_error("Unable to parse 'data': Shape does not match true shape of 'data' field");
}

Status too_few() {
  return internal_error("Failed to parse 'data' field: shape does not match true shape");
}

Status bad_element(const JsonTensor& tensor, std::uint64_t index, element found) {
  std::string text = "Unable to parse 'data': element " + std::to_string(index) + " of input '";
  text.append(tensor.name).append("' is ").append(kind_name(found));
  text.append(", expected a value of ").append(data_type_name(tensor.type));
  return invalid_arg(std::move(text));
}

template <typename T>
bool to_integer(element from, T& value) {
  if (std::int64_t number = 0; from.get(number) == simdjson::SUCCESS) {
    if (!std::in_range<T>(number)) return false;
    value = static_cast<T>(number);
    return true;
  }
  if (std::uint64_t number = 0; from.get(number) == simdjson::SUCCESS) {
    if (!std::in_range<T>(number)) return false;
    value = static_cast<T>(number);
    return true;
  }
  return false;
}

// Through double, as Python's json and numpy do, so that both sides round alike.
template <typename T>
bool to_float(element from, bool nonfinite, T& value) {
  double number = 0;
  if (from.get(number) != simdjson::SUCCESS) {
    if (!nonfinite) return false;
    const auto special = nonfinite_value(from);
    if (special) value = static_cast<T>(*special);
    return special.has_value();
  }
  value = static_cast<T>(number);
  return std::isfinite(value);  // a double that no FP32 can hold
}

template <typename T>
class Filler {
 public:
  Filler(const JsonTensor& tensor, std::byte* out)
      : tensor_(tensor), next_(reinterpret_cast<T*>(out)), end_(next_ + tensor.count) {}

  Status run() {
    PENSTOCK_RETURN_IF_ERROR(fill(tensor_.data));
    return next_ == end_ ? Status{} : too_few();
  }

 private:
  Status fill(simdjson::dom::array values) {
    for (const element value : values) {
      if (value.type() == element_type::ARRAY) {
        PENSTOCK_RETURN_IF_ERROR(fill(value.get_array().value_unsafe()));
      } else if (next_ == end_) {
        return too_many();
      } else if (!convert(value)) {
        return bad_element(tensor_, tensor_.count - static_cast<std::uint64_t>(end_ - next_),
                           value);
      } else {
        ++next_;
      }
    }
    return {};
  }

  bool convert(element value) {
    if constexpr (std::is_same_v<T, bool>) {
      return value.get(*next_) == simdjson::SUCCESS;
    } else if constexpr (std::is_floating_point_v<T>) {
      return to_float(value, tensor_.nonfinite, *next_);
    } else {
      return to_integer(value, *next_);
    }
  }

  const JsonTensor& tensor_;
  T* next_;
  T* end_;
};

Status measure(const JsonTensor& tensor, simdjson::dom::array values, std::uint64_t& seen,
               std::uint64_t& size_bytes) {
  for (const element value : values) {
    if (value.type() == element_type::ARRAY) {
      PENSTOCK_RETURN_IF_ERROR(measure(tensor, value.get_array().value_unsafe(), seen, size_bytes));
      continue;
    }
    if (seen == tensor.count) return too_many();
    std::string_view text;
    if (value.get(text)) return bad_element(tensor, seen, value);
    size_bytes += sizeof(std::uint32_t) + text.size();
    ++seen;
  }
  return {};
}

std::byte* write_strings(simdjson::dom::array values, std::byte* out) {
  for (const element value : values) {
    if (value.type() == element_type::ARRAY) {
      out = write_strings(value.get_array().value_unsafe(), out);
      continue;
    }
    const std::string_view text = value.get_string().value_unsafe();
    const auto length = static_cast<std::uint32_t>(text.size());
    std::memcpy(out, &length, sizeof(length));
    if (length > 0) std::memcpy(out + sizeof(length), text.data(), length);
    out += sizeof(length) + length;
  }
  return out;
}

}  // namespace

Status check_json_type(std::string_view name, DataType type) {
  if (type != DataType::kFp16 && type != DataType::kBf16) return {};
  std::string text = "receiving ";
  text.append(data_type_name(type)).append(" data via JSON is not supported. ");
  text.append("Please use the binary data format for input ").append(name);
  return invalid_arg(std::move(text));
}

Status measure_strings(const JsonTensor& tensor, std::uint64_t& size_bytes) {
  std::uint64_t seen = 0;
  size_bytes = 0;
  PENSTOCK_RETURN_IF_ERROR(measure(tensor, tensor.data, seen, size_bytes));
  return seen == tensor.count ? Status{} : too_few();
}

Status read_elements(const JsonTensor& tensor, std::byte* out) {
  switch (tensor.type) {
    case DataType::kBool:
      return Filler<bool>(tensor, out).run();
    case DataType::kUint8:
      return Filler<std::uint8_t>(tensor, out).run();
    case DataType::kUint16:
      return Filler<std::uint16_t>(tensor, out).run();
    case DataType::kUint32:
      return Filler<std::uint32_t>(tensor, out).run();
    case DataType::kUint64:
      return Filler<std::uint64_t>(tensor, out).run();
    case DataType::kInt8:
      return Filler<std::int8_t>(tensor, out).run();
    case DataType::kInt16:
      return Filler<std::int16_t>(tensor, out).run();
    case DataType::kInt32:
      return Filler<std::int32_t>(tensor, out).run();
    case DataType::kInt64:
      return Filler<std::int64_t>(tensor, out).run();
    case DataType::kFp32:
      return Filler<float>(tensor, out).run();
    case DataType::kFp64:
      return Filler<double>(tensor, out).run();
    case DataType::kBytes:
      write_strings(tensor.data, out);
      return {};
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kInvalid:
      break;
  }
  return check_json_type(tensor.name, tensor.type);
}

}  // namespace penstock::wire
