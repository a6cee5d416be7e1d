// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// MessageWriter, MessageReader: values one behind the other, as they lie in memory, strings behind
// their 32-bit length. Both ends are the same machine and the same build.
//
// The reader never leaves its bytes: past their end, and for a value that cannot be, it fails,
// gives zeros, and says so at the end. Thread safety: values. Ownership: the writer borrows its
// vector; the reader, and the strings it gives, borrow the bytes. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "penstock/request.h"
#include "penstock/tensor.h"

namespace penstock::worker {

class MessageWriter {
 public:
  explicit MessageWriter(std::vector<std::byte>& bytes) : bytes_(bytes) { bytes_.clear(); }

  template <typename T>
  void put(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    append(&value, sizeof value);
  }
  void text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    append(text.data(), text.size());
  }
  // Type and shape.
  void tensor(const TensorView& view);
  void parameters(const Recycled<Parameter>& parameters);
  // Room for a value that is not known yet, to be given to set().
  template <typename T>
  [[nodiscard]] std::size_t hole() {
    const std::size_t at = bytes_.size();
    put(T{});
    return at;
  }
  template <typename T>
  void set(std::size_t hole, T value) {
    std::memcpy(bytes_.data() + hole, &value, sizeof value);
  }
  // Takes back all but the first `size` bytes.
  void cut(std::size_t size) { bytes_.resize(size); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  void append(const void* from, std::size_t size) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + size);
    if (size > 0) std::memcpy(bytes_.data() + at, from, size);
  }

  std::vector<std::byte>& bytes_;
};

class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> bytes) : left_(bytes) {}

  template <typename T>
  [[nodiscard]] T get() {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    T value{};
    if (const std::byte* from = skip(sizeof value)) std::memcpy(&value, from, sizeof value);
    return value;
  }
  [[nodiscard]] bool flag() { return get<std::uint8_t>() != 0; }
  [[nodiscard]] std::string_view text() {
    const auto size = get<std::uint32_t>();
    const std::byte* from = skip(size);
    return from == nullptr ? std::string_view()
                           : std::string_view(reinterpret_cast<const char*>(from), size);
  }
  void tensor(TensorView& view);
  void parameters(Recycled<Parameter>& parameters);
  // How many of something follow: fails for more than what is left could hold.
  [[nodiscard]] std::uint32_t count();
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  // All was read, and could be.
  [[nodiscard]] bool complete() const { return !failed_ && left_.empty(); }

 private:
  [[nodiscard]] const std::byte* skip(std::size_t size) {
    if (failed_ || size > left_.size()) {
      failed_ = true;
      return nullptr;
    }
    const std::byte* from = left_.data();
    left_ = left_.subspan(size);
    return from;
  }

  std::span<const std::byte> left_;
  bool failed_ = false;
};

}  // namespace penstock::worker
