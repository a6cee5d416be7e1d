// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/direct_scheduler.h"

#include <algorithm>

namespace penstock {

Poll DirectScheduler::form(std::uint32_t instance, const Due& due, std::int64_t now_ns,
                           Batch& batch) {
  std::int64_t oldest_ns = kNoDeadline;
  for (const Sequence* s : due) oldest_ns = std::min(oldest_ns, s->waiting.front()->times.queued);
  const DirectDecision decision = policy_.decide(due.size(), oldest_ns, now_ns);
  if (!decision.run) return {PollKind::kWait, decision.wait_until_ns};
  // Who came first decides what fits; who does not fit has the next batch.
  Sequence& first = *due.front();
  Request& representative = *first.waiting.front();
  prepare(first);
  std::size_t rows = slots_;
  while (sequence_at(instance, rows - 1) == nullptr) --rows;
  for (std::size_t row = 0; row < rows; ++row) {
    Sequence* sequence = sequence_at(instance, row);
    const bool ready = sequence != nullptr && !sequence->waiting.empty();
    if (sequence == &first || (ready && fits(first, representative, *sequence))) {
      run(*sequence, batch);
    } else {
      batch.add_row(&representative, first.states, true);
    }
  }
  return {PollKind::kBatch};
}

}  // namespace penstock
