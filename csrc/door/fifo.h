// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Fifo: a queue in one block of memory, which it keeps: std::deque allocates while it is in use.
//
// Thread safety: none. Ownership: of its elements, by value. Nothing blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace penstock::door {

template <typename T>
class Fifo {
 public:
  void push(T item) { items_.push_back(std::move(item)); }
  [[nodiscard]] T& front() { return items_[first_]; }
  [[nodiscard]] T& back() { return items_.back(); }
  void pop() {
    items_[first_++] = T{};
    if (first_ == items_.size()) {
      clear();
    } else if (first_ > 64 && first_ * 2 > items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
  }
  // One that is somewhere in it.
  void erase(const T& item) {
    const auto first = items_.begin() + static_cast<std::ptrdiff_t>(first_);
    items_.erase(std::find(first, items_.end(), item));
    if (empty()) clear();
  }
  [[nodiscard]] bool empty() const { return first_ == items_.size(); }
  [[nodiscard]] std::size_t size() const { return items_.size() - first_; }
  [[nodiscard]] T* begin() { return items_.data() + first_; }
  [[nodiscard]] T* end() { return items_.data() + items_.size(); }
  void clear() {
    items_.clear();
    first_ = 0;
  }

 private:
  std::vector<T> items_;
  std::size_t first_ = 0;
};

}  // namespace penstock::door
