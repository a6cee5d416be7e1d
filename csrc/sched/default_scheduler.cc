// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/default_scheduler.h"

#include <algorithm>

namespace penstock {

bool DefaultScheduler::take(Request*& request) {
  // acquire: pairs with the store in sweep()
  if (any_swept_.load(std::memory_order_acquire)) {
    std::lock_guard lock(sweep_mutex_);
    if (!swept_.empty()) {
      request = swept_.pop_front();
      // relaxed: changed under the lock alone; who reads an old value takes the lock in vain
      any_swept_.store(!swept_.empty(), std::memory_order_relaxed);
      return true;
    }
  }
  return pop(request);
}

Poll DefaultScheduler::poll(std::uint32_t, std::int64_t now_ns, Batch& batch) {
  Request* request = nullptr;
  while (take(request)) {
    if (turn_away(request, now_ns, expires_ns(*request))) continue;
    leave_queue(*request);
    batch.add(request);
    // Behind a submitter that stopped in the middle of its push, requests wait whose wake-ups found
    // the ring empty; the one who gets past it wakes the next.
    if (pending() > 0) wake();
    return {PollKind::kBatch};
  }
  return {drained() ? PollKind::kStopped : PollKind::kWait};
}

std::int64_t DefaultScheduler::sweep(std::int64_t now_ns) {
  std::int64_t earliest = kNoDeadline;
  {
    std::lock_guard lock(sweep_mutex_);
    // release: pairs with the load in take(); from here on instances come to the lock first
    any_swept_.store(true, std::memory_order_release);
    Request* request = nullptr;
    while (pop(request)) swept_.push_back(request);
    swept_.filter_front(swept_.size(), [&](Request* r) {
      const std::int64_t expires = expires_ns(*r);
      if (turn_away(r, now_ns, expires)) return false;
      earliest = std::min(earliest, expires);
      return true;
    });
    any_swept_.store(!swept_.empty(), std::memory_order_release);  // release: as above
    earliest = next_sweep_ns(swept_.size(), earliest, now_ns);
    if (swept_.empty()) return earliest;
  }
  wake();  // an instance may have looked while the requests were in neither place
  return earliest;
}

}  // namespace penstock
