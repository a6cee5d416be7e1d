// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// PendingQueue: the requests a batcher has taken off the ring and not yet sent, oldest first.
//
// A circular array of fixed size, made when the first request comes (most priority levels never
// see one), so nothing is allocated while serving. Thread safety: none; the batcher's own lock
// covers it. Ownership: borrows requests.
#pragma once

#include <cassert>
#include <cstddef>
#include <vector>

#include "penstock/request.h"

namespace penstock {

class PendingQueue {
 public:
  explicit PendingQueue(std::size_t capacity) : capacity_(capacity) {}
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Request*& operator[](std::size_t i) { return slots_[(head_ + i) % slots_.size()]; }
  void push_back(Request* request) {
    if (slots_.empty()) slots_.resize(capacity_);
    assert(size_ < slots_.size());
    slots_[(head_ + size_) % slots_.size()] = request;
    ++size_;
  }
  Request* pop_front() {
    Request* request = slots_[head_];
    head_ = (head_ + 1) % slots_.size();
    --size_;
    return request;
  }
  // Asks `keep` of each request, oldest first and each once, and drops those it turns down, until
  // `wanted` are kept or all were asked. What is behind them is not touched, so a long queue costs
  // no more than a short one.
  template <typename Keep>
  void filter_front(std::size_t wanted, Keep keep) {
    std::size_t asked = 0;
    std::size_t kept = 0;
    for (; asked < size_ && kept < wanted; ++asked) {
      Request* request = (*this)[asked];
      if (keep(request)) (*this)[kept++] = request;
    }
    const std::size_t dropped = asked - kept;
    if (dropped == 0) return;
    for (std::size_t i = kept; i-- > 0;) (*this)[i + dropped] = (*this)[i];
    head_ = (head_ + dropped) % slots_.size();
    size_ -= dropped;
  }

 private:
  const std::size_t capacity_;
  std::vector<Request*> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace penstock
