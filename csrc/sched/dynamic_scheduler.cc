// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/dynamic_scheduler.h"

#include <algorithm>

#include "batch/shapes.h"

namespace penstock {

DynamicScheduler::DynamicScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
    : Scheduler(plan, clock, sink),
      policy_(plan),
      queues_(levels_.size(), Level(plan.queue_capacity)) {
  candidates_.reserve(std::min<std::size_t>(policy_.horizon(), plan.queue_capacity));
}

void DynamicScheduler::take_arrivals() {
  Request* request = nullptr;
  while (pop(request)) queues_[levels_.level_of(*request)].pending.push_back(request);
}

// S-7 DELAY: an expired request waits behind all of its level that have not expired, and never
// expires again. An end-to-end deadline is no queue policy: past it a request is turned away
// whatever the action.
bool DynamicScheduler::stays(std::size_t index, Request* request, std::int64_t now_ns) {
  const std::int64_t expires = expires_ns(*request);
  const bool delaying = levels_.policy(index).timeout_action == TimeoutAction::kDelay;
  if (turn_away(request, now_ns, delaying ? request->deadline_ns : expires)) return false;
  if (now_ns < expires) return true;
  queues_[index].delayed.push_back(request);  // has room for all that submit() lets in
  return false;
}

void DynamicScheduler::drop_expired(std::size_t index, std::int64_t now_ns, std::size_t wanted) {
  Level& level = queues_[index];
  level.pending.filter_front(wanted, [&](Request* r) { return stays(index, r, now_ns); });
  level.delayed.filter_front(wanted,
                             [&](Request* r) { return !turn_away(r, now_ns, r->deadline_ns); });
}

bool DynamicScheduler::consider(PendingQueue& queue, bool delayed) {
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (candidates_.size() >= policy_.horizon()) return false;
    const Request& request = *queue[i];
    const bool compatible = candidates_.empty() || can_share_batch(*first_, request);
    if (candidates_.empty()) first_ = &request;
    const std::int64_t expires = delayed ? request.deadline_ns : expires_ns(request);
    candidates_.push_back({request.batch_size, request.times.queued, expires, compatible});
    if (!compatible) return false;  // S-2.2: the first mismatch closes the batch
  }
  return true;
}

// S-1, S-7: level after level, and in each what was delayed comes last.
void DynamicScheduler::gather_candidates() {
  candidates_.clear();
  for (Level& level : queues_) {
    if (!consider(level.pending, false) || !consider(level.delayed, true)) return;
  }
}

void DynamicScheduler::take_from(PendingQueue& queue, std::size_t& count, Batch& batch) {
  for (; count > 0 && !queue.empty(); --count) {
    Request* request = queue.pop_front();
    leave_queue(*request);
    batch.add(request);
  }
}

void DynamicScheduler::take(std::size_t count, Batch& batch) {
  for (Level& level : queues_) {
    take_from(level.pending, count, batch);
    take_from(level.delayed, count, batch);
    if (count == 0) break;
  }
}

bool DynamicScheduler::empty() const {
  return std::all_of(queues_.begin(), queues_.end(), [](const Level& level) {
    return level.pending.empty() && level.delayed.empty();
  });
}

Poll DynamicScheduler::poll(std::uint32_t, std::int64_t now_ns, Batch& batch) {
  std::lock_guard lock(former_);
  take_arrivals();
  for (std::size_t i = 0; i < queues_.size(); ++i) drop_expired(i, now_ns, policy_.horizon());
  gather_candidates();
  if (candidates_.empty()) return {drained() ? PollKind::kStopped : PollKind::kWait};
  const BatchDecision decision = policy_.decide(candidates_, now_ns);
  if (decision.take == 0) return {PollKind::kWait, decision.wait_until_ns};
  take(decision.take, batch);
  if (!empty()) wake();  // an idle instance may go on from here
  return {PollKind::kBatch};
}

std::int64_t DynamicScheduler::sweep(std::int64_t now_ns) {
  std::lock_guard lock(former_);
  take_arrivals();
  std::int64_t earliest = kNoDeadline;
  std::size_t held = 0;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    Level& level = queues_[i];
    drop_expired(i, now_ns, SIZE_MAX);
    for (std::size_t j = 0; j < level.pending.size(); ++j) {
      earliest = std::min(earliest, expires_ns(*level.pending[j]));
    }
    for (std::size_t j = 0; j < level.delayed.size(); ++j) {
      earliest = std::min(earliest, level.delayed[j]->deadline_ns);
    }
    held += level.pending.size() + level.delayed.size();
  }
  return next_sweep_ns(held, earliest, now_ns);
}

}  // namespace penstock
