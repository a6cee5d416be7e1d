// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/classification.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstring>
#include <numeric>

namespace penstock::wire {
namespace {

constexpr int kDecimals = 6;            // as std::to_string prints
constexpr std::size_t kTextRoom = 400;  // the largest double has 309 digits before the point

template <typename T>
T load(const std::byte* row, std::uint32_t index) {
  T value;
  std::memcpy(&value, row + std::size_t{index} * sizeof(T), sizeof(T));
  return value;
}

// Descending, NaN last, ties by index: a strict order whatever the values are.
template <typename T>
bool ranks_before(const std::byte* row, std::uint32_t a, std::uint32_t b) {
  const T x = load<T>(row, a);
  const T y = load<T>(row, b);
  if constexpr (std::floating_point<T>) {
    if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
    if (std::isnan(x)) return a < b;
  }
  return x != y ? x > y : a < b;
}

template <typename T>
std::string_view value_text(T value, char* room) {
  std::to_chars_result end{};
  if constexpr (std::floating_point<T>) {
    end = std::to_chars(room, room + kTextRoom, value, std::chars_format::fixed, kDecimals);
  } else {
    end = std::to_chars(room, room + kTextRoom, value);
  }
  return {room, static_cast<std::size_t>(end.ptr - room)};
}

}  // namespace

void Classifier::append_element(std::string_view value, std::uint32_t index,
                                std::span<const std::string> labels) {
  const std::size_t start = bytes_.size();
  bytes_.append(sizeof(std::uint32_t), '\0');
  char index_text[16];
  const auto* end = std::to_chars(index_text, index_text + sizeof(index_text), index).ptr;
  bytes_.append(value).append(":").append(index_text, static_cast<std::size_t>(end - index_text));
  if (index < labels.size() && !labels[index].empty()) bytes_.append(":").append(labels[index]);
  const auto length = static_cast<std::uint32_t>(bytes_.size() - start - sizeof(std::uint32_t));
  std::memcpy(bytes_.data() + start, &length, sizeof(length));
}

template <typename T>
void Classifier::append_rows(std::span<const std::string> labels, const std::byte* data,
                             std::size_t rows, std::size_t columns, std::size_t k) {
  order_.resize(columns);
  char room[kTextRoom];
  for (std::size_t r = 0; r < rows; ++r) {
    const std::byte* row = data + r * columns * sizeof(T);
    std::iota(order_.begin(), order_.end(), 0u);
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(k), order_.end(),
                      [row](auto a, auto b) { return ranks_before<T>(row, a, b); });
    for (std::size_t i = 0; i < k; ++i) {
      append_element(value_text(load<T>(row, order_[i]), room), order_[i], labels);
    }
  }
}

Status Classifier::classify(const TensorSpec& spec, const TensorView& tensor, bool batching,
                            std::uint32_t class_count, Classified& out) {
  const auto count = element_count(tensor.shape);
  const auto size = byte_size(tensor.type, tensor.shape);
  if (!count || (size && *size != tensor.size_bytes)) {
    return internal_error("output tensor shape does not match size of output for '" + spec.name +
                          "'");
  }
  if (*count > kMaxElements) return invalid_arg("classification output tensor too large");
  const bool by_row = batching && tensor.shape.rank() > 0;
  Shape row_shape = tensor.shape;
  if (by_row) row_shape.pop_front();
  const std::size_t columns = element_count(row_shape).value_or(0);
  const auto rows = by_row ? static_cast<std::size_t>(tensor.shape[0]) : std::size_t{1};
  const std::size_t k = std::min<std::size_t>(class_count, columns);
  out.offset = bytes_.size();
  out.shape.clear();
  if (by_row) out.shape.push_back(tensor.shape[0]);
  out.shape.push_back(static_cast<std::int64_t>(k));
  const auto append = [&]<typename T>(T /*type*/) {
    if (k > 0) append_rows<T>(spec.labels, tensor.data, rows, columns, k);
    out.size_bytes = bytes_.size() - out.offset;
    return Status{};
  };
  switch (tensor.type) {
    case DataType::kUint8:
      return append(std::uint8_t{});
    case DataType::kUint16:
      return append(std::uint16_t{});
    case DataType::kUint32:
      return append(std::uint32_t{});
    case DataType::kUint64:
      return append(std::uint64_t{});
    case DataType::kInt8:
      return append(std::int8_t{});
    case DataType::kInt16:
      return append(std::int16_t{});
    case DataType::kInt32:
      return append(std::int32_t{});
    case DataType::kInt64:
      return append(std::int64_t{});
    case DataType::kFp32:
      return append(float{});
    case DataType::kFp64:
      return append(double{});
    case DataType::kBool:
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kBytes:
    case DataType::kInvalid:
      break;
  }
  return invalid_arg("class result not available for output due to unsupported type '" +
                     std::string(data_type_name(tensor.type)) + "'");
}

}  // namespace penstock::wire
