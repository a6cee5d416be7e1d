// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/dynamic_scheduler.h"

#include <algorithm>

#include "batch/shapes.h"

namespace penstock {

DynamicScheduler::DynamicScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
    : Scheduler(plan, clock, sink),
      policy_(plan),
      delaying_(plan.dynamic.default_policy.timeout_action == TimeoutAction::kDelay),
      pending_(plan.queue_capacity),
      delayed_(delaying_ ? plan.queue_capacity : 1) {
  candidates_.reserve(std::min<std::size_t>(policy_.horizon(), plan.queue_capacity));
}

void DynamicScheduler::take_arrivals() {
  Request* request = nullptr;
  while (!pending_.full() && pop(request)) pending_.push_back(request);
}

// S-7 DELAY: an expired request waits behind all that have not expired, and never expires again. An
// end-to-end deadline is no queue policy: past it a request is turned away whatever the action.
bool DynamicScheduler::stays(Request* request, std::int64_t now_ns) {
  const std::int64_t expires = expires_ns(*request);
  if (turn_away(request, now_ns, delaying_ ? request->deadline_ns : expires)) return false;
  if (now_ns < expires) return true;
  delayed_.push_back(request);  // has room for all that submit() lets in
  return false;
}

void DynamicScheduler::drop_expired(std::int64_t now_ns) {
  pending_.filter_front(policy_.horizon(), [&](Request* r) { return stays(r, now_ns); });
  delayed_.filter_front(policy_.horizon(),
                        [&](Request* r) { return !turn_away(r, now_ns, r->deadline_ns); });
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
  if (!delayed_.empty()) return form(delayed_, kNoDeadline, batch);
  return {drained() ? PollKind::kStopped : PollKind::kWait};
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
