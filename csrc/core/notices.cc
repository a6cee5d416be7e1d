// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/notices.h"

#include <utility>

namespace penstock {

void Notices::add(std::string line) {
  std::lock_guard lock(mutex_);
  if (lines_.size() >= kMost) {
    ++dropped_;
    return;
  }
  lines_.push_back(std::move(line));
  if (lines_.size() == 1) wake_.wake();
}

std::vector<std::string> Notices::take(std::uint64_t& dropped) {
  std::lock_guard lock(mutex_);
  wake_.drain();
  dropped = std::exchange(dropped_, 0);
  return std::exchange(lines_, {});
}

}  // namespace penstock
