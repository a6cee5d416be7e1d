// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcReplyReader: the messages of a reply, one of a unary call, as the data of its stream comes,
// sans I/O.
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
  // Of `wanted` messages, each of which is to be the expected one.
  explicit GrpcReplyReader(const std::optional<std::string>& expected, unsigned wanted = 1)
      : check_(expected), wanted_(wanted) {}

  void begin() {
    prefix_size_ = 0;
    seen_ = 0;
    same_ = true;
    problem_ = nullptr;
  }

  void add(std::string_view bytes) {
    while (!bytes.empty()) {
      if (prefix_size_ < kPrefix) {
        const std::size_t part = std::min(kPrefix - prefix_size_, bytes.size());
        std::memcpy(prefix_.data() + prefix_size_, bytes.data(), part);
        prefix_size_ += part;
        bytes.remove_prefix(part);
        if (prefix_size_ < kPrefix) return;
        read_prefix();
      }
      const std::string_view part = bytes.substr(0, left_);
      check_.add(part);
      left_ -= static_cast<std::uint32_t>(part.size());
      bytes.remove_prefix(part.size());
      if (left_ == 0) end_message();
    }
  }

  // Nothing: all messages have come, and whole. Otherwise what is wrong with them.
  [[nodiscard]] const char* problem() const {
    if (problem_ != nullptr) return problem_;
    if (seen_ > wanted_ || (seen_ == wanted_ && prefix_size_ > 0)) return "too many messages";
    if (prefix_size_ > 0) return "half a message";
    return seen_ < wanted_ ? "too few messages" : nullptr;
  }
  [[nodiscard]] bool matches() const { return same_; }

 private:
  static constexpr std::size_t kPrefix = 5;  // compressed flag, length

  void read_prefix() {
    if (prefix_[0] != 0) problem_ = "a compressed message";
    left_ = 0;
    for (std::size_t i = 1; i < kPrefix; ++i) left_ = left_ << 8 | prefix_[i];
    check_.begin();
  }

  void end_message() {
    ++seen_;
    same_ = same_ && check_.matches();
    prefix_size_ = 0;
  }

  ReplyCheck check_;
  unsigned wanted_;
  unsigned seen_ = 0;
  bool same_ = true;
  std::array<unsigned char, kPrefix> prefix_{};
  std::size_t prefix_size_ = 0;
  std::uint32_t left_ = 0;
  const char* problem_ = nullptr;
};

}  // namespace penstock::load
