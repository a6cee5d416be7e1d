// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ReplyCheck: compares a reply, as its bytes come, with the one that is expected, keeping none.
//
// Thread safety: none. Ownership: borrows the expected bytes. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::load {

class ReplyCheck {
 public:
  explicit ReplyCheck(const std::optional<std::string>& expected)
      : expected_(expected ? &*expected : nullptr) {}

  void begin() {
    seen_ = 0;
    same_ = true;
  }

  void add(std::string_view bytes) {
    if (expected_ == nullptr) return;
    same_ = same_ && bytes.size() <= expected_->size() - seen_ &&
            std::memcmp(expected_->data() + seen_, bytes.data(), bytes.size()) == 0;
    if (same_) seen_ += bytes.size();
  }

  // Was all of it, and nothing else, what was expected?
  [[nodiscard]] bool matches() const {
    return expected_ == nullptr || (same_ && seen_ == expected_->size());
  }

 private:
  const std::string* expected_;  // none: any reply will do
  std::size_t seen_ = 0;
  bool same_ = true;
};

}  // namespace penstock::load
