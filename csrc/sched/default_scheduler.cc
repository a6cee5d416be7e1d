// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/default_scheduler.h"

namespace penstock {

Poll DefaultScheduler::poll(std::int64_t now_ns, Batch& batch) {
  Request* request = nullptr;
  while (pop(request)) {
    if (turn_away(request, now_ns)) continue;
    leave_queue(*request);
    batch.add(request);
    return {PollKind::kBatch};
  }
  if (stopping()) {
    wake_all();
    return {PollKind::kStopped};
  }
  return {};
}

}  // namespace penstock
