// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DataType, Shape, TensorView: typed, borrowed bytes. Thread safety: values. Ownership: a
// TensorView owns nothing; whoever hands one out keeps its bytes alive. Every multiplication of
// sizes that come from outside is done here, checked, and nowhere else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace penstock {

// Values are those of the `DataType` enum of model_config.proto (contract 2).
enum class DataType : std::uint8_t {
  kInvalid = 0,
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
  kBf16,
};
inline constexpr int kDataTypeCount = 15;

// Bytes of one element; 0 for BYTES (variable) and INVALID.
[[nodiscard]] std::size_t element_size(DataType type);
// The protocol's name, "FP32", "BYTES", ...; "<invalid>" for INVALID.
[[nodiscard]] std::string_view data_type_name(DataType type);
// The name in config.pbtxt: "TYPE_FP32", and "TYPE_STRING" for BYTES.
[[nodiscard]] std::string config_type_name(DataType type);
// The inverse of data_type_name; kInvalid for a name the protocol has not.
[[nodiscard]] DataType parse_data_type(std::string_view name);

[[nodiscard]] std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b);
[[nodiscard]] std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b);

// Dimensions inline, no heap. -1 is a wildcard in a model's specification, never in a request.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 16;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) {
    for (auto d : dims) push_back(d);
  }
  Shape(const Shape& other) { *this = other; }
  Shape& operator=(const Shape& other) {  // copies rank() dims only: requests are hot
    rank_ = other.rank_;
    for (std::size_t i = 0; i < rank_; ++i) dims_[i] = other.dims_[i];
    return *this;
  }

  [[nodiscard]] std::size_t rank() const { return rank_; }
  [[nodiscard]] bool empty() const { return rank_ == 0; }
  // False, and unchanged, when already kMaxRank long.
  [[nodiscard]] bool try_push_back(std::int64_t dim) {
    if (rank_ == kMaxRank) return false;
    dims_[rank_++] = dim;
    return true;
  }
  void push_back(std::int64_t dim) { (void)try_push_back(dim); }
  void clear() { rank_ = 0; }
  // Drops, or puts in front, the batch dimension.
  void pop_front();
  [[nodiscard]] bool try_push_front(std::int64_t dim);
  [[nodiscard]] std::int64_t operator[](std::size_t i) const { return dims_[i]; }
  [[nodiscard]] std::int64_t& operator[](std::size_t i) { return dims_[i]; }
  [[nodiscard]] const std::int64_t* begin() const { return dims_.data(); }
  [[nodiscard]] const std::int64_t* end() const { return dims_.data() + rank_; }
  [[nodiscard]] std::span<const std::int64_t> dims() const { return {dims_.data(), rank_}; }
  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::size_t rank_ = 0;
  std::array<std::int64_t, kMaxRank> dims_;
};

// "[1,3,-1]", as every error text of the contract writes a shape.
[[nodiscard]] std::string to_string(const Shape& shape);

// Product of the dimensions (1 for rank 0); nullopt when a dimension is negative or the product
// passes 2^63-1.
[[nodiscard]] std::optional<std::uint64_t> element_count(const Shape& shape);
// element_count * element_size; nullopt also for BYTES, whose size no shape tells.
[[nodiscard]] std::optional<std::uint64_t> byte_size(DataType type, const Shape& shape);

enum class MemoryKind : std::uint8_t { kCpu, kPinned, kGpu };

struct TensorView {
  DataType type = DataType::kInvalid;
  MemoryKind memory = MemoryKind::kCpu;
  std::int32_t device = 0;
  Shape shape;
  const std::byte* data = nullptr;
  std::size_t size_bytes = 0;
};

}  // namespace penstock
