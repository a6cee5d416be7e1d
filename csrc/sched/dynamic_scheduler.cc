// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/dynamic_scheduler.h"

#include <algorithm>

#include "batch/shapes.h"

namespace penstock {

DynamicScheduler::DynamicScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
    : Scheduler(plan, clock, sink),
      policy_(plan),
      pending_(plan.queue_capacity),
      delayed_(plan.dynamic.default_policy.timeout_action == TimeoutAction::kDelay
                   ? plan.queue_capacity
                   : 1) {
  candidates_.reserve(std::min<std::size_t>(policy_.horizon(), plan.queue_capacity));
}

void DynamicScheduler::take_arrivals() {
  Request* request = nullptr;
  while (!pending_.full() && pop(request)) pending_.push_back(request);
}

// S-7 DELAY: an expired request waits behind all that have not expired, and never expires again. An
// end-to-end deadline is no queue policy: past it a request is turned away whatever the action.
bool DynamicScheduler::delayed(Request& request, std::int64_t now_ns) const {
  return plan_.dynamic.default_policy.timeout_action == TimeoutAction::kDelay &&
         !request.cancelled() && now_ns < request.deadline_ns && now_ns >= expires_ns(request);
}

void DynamicScheduler::drop_expired(std::int64_t now_ns) {
  const std::size_t reach = std::min(pending_.size(), policy_.horizon());
  pending_.filter_front(reach, [&](Request* request) {
    if (delayed(*request, now_ns) && !delayed_.full()) {
      delayed_.push_back(request);
      return false;
    }
    return !turn_away(request, now_ns);
  });
}

Poll DynamicScheduler::form(PendingQueue& queue, std::int64_t now_ns, Batch& batch) {
  candidates_.clear();
  const std::size_t reach = std::min(queue.size(), policy_.horizon());
  for (std::size_t i = 0; i < reach; ++i) {
    Request& request = *queue[i];
    const bool compatible = i == 0 || can_share_batch(*queue[0], request);
    candidates_.push_back(
        {request.batch_size, request.times.queued, expires_ns(request), compatible});
    if (!compatible) break;  // S-2.2: the first mismatch closes the batch
  }
  const BatchDecision decision = policy_.decide(candidates_, now_ns);
  if (decision.take == 0) return {PollKind::kWait, decision.wait_until_ns};
  for (std::size_t i = 0; i < decision.take; ++i) {
    Request* request = queue.pop_front();
    leave_queue(*request);
    batch.add(request);
  }
  ++outstanding_;
  if (!pending_.empty() || !delayed_.empty()) wake_one();  // an idle instance may go on from here
  return {PollKind::kBatch};
}

Poll DynamicScheduler::poll(std::int64_t now_ns, Batch& batch) {
  std::lock_guard lock(former_);
  take_arrivals();
  drop_expired(now_ns);
  if (plan_.dynamic.preserve_ordering && outstanding_ > 0) return {};  // S-6
  if (!pending_.empty()) return form(pending_, now_ns, batch);
  // What was delayed has waited longer than it should: it goes as it is, without a further wait.
  delayed_.filter_front(delayed_.size(), [&](Request* request) {
    return !(request->cancelled() || now_ns >= request->deadline_ns) || !turn_away(request, now_ns);
  });
  if (!delayed_.empty()) return form(delayed_, kNoDeadline, batch);
  if (!stopping()) return {};
  wake_all();
  return {PollKind::kStopped};
}

void DynamicScheduler::finished() {
  bool wake = false;
  {
    std::lock_guard lock(former_);
    --outstanding_;
    wake = plan_.dynamic.preserve_ordering;
  }
  if (wake) wake_all();
}

}  // namespace penstock
