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

void OrderedDelivery::done(std::uint64_t order, std::span<Request* const> requests) {
  std::lock_guard lock(mutex_);
  const std::size_t place = order - next_;
  if (place >= held_.size()) held_.resize(place + 1);
  held_[place].done = true;
  held_[place].requests.assign(requests.begin(), requests.end());
  while (!held_.empty() && held_.front().done) {
    deliver(held_.front().requests);
    held_.pop_front();
    ++next_;
  }
}

}  // namespace penstock
