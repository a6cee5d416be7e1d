// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// OrderedDelivery: answers leave in the order in which their batches were formed (S-6), whichever
// instance is done first.
//
// Thread safety: all methods, any thread. Ownership: borrows requests until they are delivered.
// Nothing blocks for longer than handing over what was held back.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "penstock/request.h"

namespace penstock {

// Hands responses to their completion rings, one push for neighbours that share a ring. From then
// on a request is its owner's, who may be releasing it already.
void deliver(std::span<Request* const> requests);

class OrderedDelivery {
 public:
  // The answered requests of the batch `order`; orders are 0, 1, 2, ... without a gap.
  void done(std::uint64_t order, std::span<Request* const> requests);

 private:
  struct Held {
    bool done = false;
    std::vector<Request*> requests;
  };
  std::mutex mutex_;
  std::uint64_t next_ = 0;  // under mutex_: order of held_.front()
  std::deque<Held> held_;   // under mutex_
};

}  // namespace penstock
