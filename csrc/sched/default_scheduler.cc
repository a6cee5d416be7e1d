// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/default_scheduler.h"

namespace penstock {

Poll DefaultScheduler::poll(std::int64_t now_ns, Batch& batch) {
  Request* request = nullptr;
  while (pop(request)) {
    if (turn_away(request, now_ns, expires_ns(*request))) continue;
    leave_queue(*request);
    batch.add(request);
    // Behind a submitter that stopped in the middle of its push, requests wait whose wake-ups found
    // the ring empty; the one who gets past it wakes the next.
    if (pending() > 0) wake_one();
    return {PollKind::kBatch};
  }
  return {drained() ? PollKind::kStopped : PollKind::kWait};
}

}  // namespace penstock
