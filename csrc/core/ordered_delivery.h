// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// OrderedDelivery: answers leave in the order in which their requests came (S-6), whichever
// instance is done first, and those from the cache no earlier.
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
  // Gives the request its place, behind all that have one.
  void enter(Request& request);
  // Delivers answered requests as soon as all before them are out of the way.
  void done(std::span<Request* const> requests);
  // Nobody waits for the request any more that was given this place.
  void skip(std::uint64_t ticket);

 private:
  struct Held {
    bool done = false;
    Request* request = nullptr;  // null with done: skipped
  };
  void release();  // with mutex_

  std::mutex mutex_;
  std::uint64_t next_ = 0;       // under mutex_: ticket of held_.front()
  std::deque<Held> held_;        // under mutex_: one a place
  std::vector<Request*> ready_;  // under mutex_, reused
};

}  // namespace penstock
