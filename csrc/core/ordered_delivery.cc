// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/ordered_delivery.h"

namespace penstock {

void deliver(std::span<Request* const> requests) {
  std::size_t i = 0;
  while (i < requests.size()) {
    CompletionRing* ring = requests[i]->completion;
    Response* first = &requests[i]->response;
    Response* last = first;
    for (++i; i < requests.size() && requests[i]->completion == ring; ++i) {
      last->next = &requests[i]->response;
      last = &requests[i]->response;
    }
    ring->push_chain(first, last);
  }
}

void OrderedDelivery::enter(Request& request) {
  std::lock_guard lock(mutex_);
  request.ticket_ = next_ + held_.size();
  held_.emplace_back();
}

void OrderedDelivery::done(std::span<Request* const> requests) {
  std::lock_guard lock(mutex_);
  for (Request* request : requests) held_[request->ticket_ - next_] = {true, request};
  release();
}

void OrderedDelivery::skip(std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  held_[ticket - next_].done = true;
  release();
}

void OrderedDelivery::release() {
  ready_.clear();
  for (; !held_.empty() && held_.front().done; ++next_) {
    if (held_.front().request != nullptr) ready_.push_back(held_.front().request);
    held_.pop_front();
  }
  deliver(ready_);
}

}  // namespace penstock
