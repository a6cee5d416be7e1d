// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcReplyReader: the one message of a unary reply, as the data of its stream comes, sans I/O.
//
// Thread safety: none. Ownership: borrows the expected message. Nothing blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "load/reply_check.h"

namespace penstock::load {

class GrpcReplyReader {
 public:
  explicit GrpcReplyReader(const std::optional<std::string>& expected) : check_(expected) {}

  void begin() {
    prefix_size_ = 0;
    left_ = 0;
    problem_ = nullptr;
    check_.begin();
  }

  void add(std::string_view bytes) {
    if (prefix_size_ < kPrefix) {
      const std::size_t part = std::min(kPrefix - prefix_size_, bytes.size());
      std::memcpy(prefix_.data() + prefix_size_, bytes.data(), part);
      prefix_size_ += part;
      bytes.remove_prefix(part);
      if (prefix_size_ < kPrefix) return;
      read_prefix();
    }
    if (bytes.size() > left_) {
      problem_ = "more than one message";
      bytes = bytes.substr(0, left_);
    }
    check_.add(bytes);
    left_ -= static_cast<std::uint32_t>(bytes.size());
  }

  // Nothing: one whole message has come. Otherwise what is wrong with it.
  [[nodiscard]] const char* problem() const {
    if (problem_ != nullptr) return problem_;
    if (prefix_size_ == 0) return "no message";
    return prefix_size_ < kPrefix || left_ > 0 ? "half a message" : nullptr;
  }
  [[nodiscard]] bool matches() const { return check_.matches(); }

 private:
  static constexpr std::size_t kPrefix = 5;  // compressed flag, length

  void read_prefix() {
    if (prefix_[0] != 0) problem_ = "a compressed message";
    for (std::size_t i = 1; i < kPrefix; ++i) left_ = left_ << 8 | prefix_[i];
  }

  ReplyCheck check_;
  std::array<unsigned char, kPrefix> prefix_{};
  std::size_t prefix_size_ = 0;
  std::uint32_t left_ = 0;
  const char* problem_ = nullptr;
};

}  // namespace penstock::load
