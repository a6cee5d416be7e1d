// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The wire form of BYTES tensors: each element a little-endian uint32 length and its bytes
// (contract 1.0). Pure functions over borrowed bytes; thread safe; nothing blocks.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "penstock/tensor.h"

namespace penstock {

// Walks the elements of a BYTES tensor.
class StringCursor {
 public:
  StringCursor(const std::byte* data, std::size_t size) : data_(data), left_(size) {}
  [[nodiscard]] bool done() const { return left_ == 0; }
  [[nodiscard]] std::size_t left() const { return left_; }
  // The next element; nullopt when its length, or its bytes, pass the end.
  [[nodiscard]] std::optional<std::string_view> next() {
    std::uint32_t length = 0;
    if (left_ < sizeof(length)) return std::nullopt;
    std::memcpy(&length, data_, sizeof(length));
    if (length > left_ - sizeof(length)) return std::nullopt;
    const std::string_view text(reinterpret_cast<const char*>(data_) + sizeof(length), length);
    data_ += sizeof(length) + length;
    left_ -= sizeof(length) + length;
    return text;
  }

 private:
  const std::byte* data_;
  std::size_t left_;
};

}  // namespace penstock
