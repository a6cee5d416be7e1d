// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/tensor.h"

#include <algorithm>

namespace penstock {
namespace {

struct TypeInfo {
  std::string_view name;
  std::size_t size;
};

constexpr std::array<TypeInfo, kDataTypeCount> kTypes{{{"<invalid>", 0},
                                                       {"BOOL", 1},
                                                       {"UINT8", 1},
                                                       {"UINT16", 2},
                                                       {"UINT32", 4},
                                                       {"UINT64", 8},
                                                       {"INT8", 1},
                                                       {"INT16", 2},
                                                       {"INT32", 4},
                                                       {"INT64", 8},
                                                       {"FP16", 2},
                                                       {"FP32", 4},
                                                       {"FP64", 8},
                                                       {"BYTES", 0},
                                                       {"BF16", 2}}};

}  // namespace

std::size_t element_size(DataType type) { return kTypes[static_cast<std::size_t>(type)].size; }

std::string_view data_type_name(DataType type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}

std::string config_type_name(DataType type) {
  return "TYPE_" + std::string(type == DataType::kBytes ? "STRING" : data_type_name(type));
}

DataType parse_data_type(std::string_view name) {
  for (std::size_t i = 1; i < kTypes.size(); ++i) {
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  }
  return DataType::kInvalid;
}

std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

void Shape::pop_front() {
  if (rank_ == 0) return;
  std::copy(dims_.begin() + 1, dims_.begin() + rank_, dims_.begin());
  --rank_;
}

bool Shape::try_push_front(std::int64_t dim) {
  if (rank_ == kMaxRank) return false;
  std::copy_backward(dims_.begin(), dims_.begin() + rank_, dims_.begin() + rank_ + 1);
  dims_[0] = dim;
  ++rank_;
  return true;
}

bool operator==(const Shape& a, const Shape& b) {
  return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::optional<std::uint64_t> element_count(const Shape& shape) {
  bool zero = false;
  for (auto dim : shape.dims()) {
    if (dim < 0) return std::nullopt;
    zero = zero || dim == 0;
  }
  if (zero) return 0;  // whatever the other dimensions are: no product, no overflow
  std::uint64_t count = 1;
  for (auto dim : shape.dims()) {
    auto product = checked_mul(count, static_cast<std::uint64_t>(dim));
    if (!product || *product > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    count = *product;
  }
  return count;
}

std::optional<std::uint64_t> byte_size(DataType type, const Shape& shape) {
  const std::size_t size = element_size(type);
  const auto count = element_count(shape);
  if (size == 0 || !count) return std::nullopt;
  return checked_mul(*count, size);
}

}  // namespace penstock
