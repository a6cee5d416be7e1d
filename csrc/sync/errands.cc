// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/errands.h"

#include <algorithm>
#include <utility>

namespace penstock {
namespace {

thread_local ErrandScope* outermost = nullptr;

}  // namespace

ErrandScope::ErrandScope() noexcept {
  if (outermost == nullptr) outermost = this;
}

ErrandScope::~ErrandScope() {
  if (outermost != this) return;
  while (count_ > 0) {
    const std::shared_ptr<Errand> errand = std::move(left_[--count_]);
    errand->run();
  }
  outermost = nullptr;
}

bool ErrandScope::leave(const std::shared_ptr<Errand>& errand) noexcept {
  return outermost != nullptr && outermost->add(errand);
}

bool ErrandScope::add(const std::shared_ptr<Errand>& errand) noexcept {
  auto* const end = left_.begin() + count_;
  if (std::find(left_.begin(), end, errand) != end) return true;
  if (count_ == kMost) return false;
  left_[count_++] = errand;
  return true;
}

}  // namespace penstock
