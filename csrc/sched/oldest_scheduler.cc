// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/oldest_scheduler.h"

#include <algorithm>

namespace penstock {

Poll OldestScheduler::form(std::uint32_t, const Due& due, std::int64_t now_ns, Batch& batch) {
  const std::size_t seen = std::min(due.size(), policy_.horizon());
  const Sequence& first = *due.front();
  candidates_.clear();
  for (std::size_t i = 0; i < seen; ++i) {
    const Request& request = *due[i]->waiting.front();
    candidates_.push_back({1, request.times.queued, expires_ns(request),
                           i == 0 || fits(first, *first.waiting.front(), *due[i])});
  }
  const BatchDecision decision = policy_.decide(candidates_, now_ns);
  if (decision.take == 0) return {PollKind::kWait, decision.wait_until_ns};
  for (std::size_t i = 0; i < decision.take; ++i) run(*due[i], batch);
  return {PollKind::kBatch};
}

}  // namespace penstock
