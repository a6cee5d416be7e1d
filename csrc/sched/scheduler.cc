// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/scheduler.h"

#include <algorithm>
#include <cassert>

#include "sched/default_scheduler.h"
#include "sched/dynamic_scheduler.h"

namespace penstock {
namespace {

constexpr const char* kFullText = "Exceeds maximum queue size";
constexpr const char* kStopText =
    "Server is stopping, scheduler for model has stopped accepting new inference requests";

std::uint64_t queue_limit(const ModelPlan& plan) {
  const std::uint32_t own = plan.dynamic.default_policy.max_queue_size;
  return own == 0 ? plan.queue_capacity : std::min(own, plan.queue_capacity);
}

std::int64_t after(std::int64_t start_ns, std::uint64_t us) {
  constexpr std::uint64_t kMaxUs = INT64_MAX / 4000;
  return start_ns + static_cast<std::int64_t>(std::min(us, kMaxUs) * 1000);
}

}  // namespace

Scheduler::Scheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
    : plan_(plan),
      clock_(clock),
      sink_(sink),
      limit_(queue_limit(plan)),
      ring_(plan.queue_capacity) {}

Status Scheduler::submit(Request& request) {
  // seq_cst: pairs with the store in stop(); a request counted here is seen by the drain
  if (queued_.fetch_add(1) >= limit_) return refuse(request, kFullText);
  if (stopping_.load()) return refuse(request, kStopText);
  request.times.queued = clock_.now_ns();
  request.set_state(RequestState::kQueued);
  if (!ring_.try_push(&request)) {
    request.set_state(RequestState::kFilling);
    return refuse(request, kFullText);
  }
  if (aborting_.load()) refuse_queued();  // seq_cst: abort() may have looked before the push
  return {};
}

Status Scheduler::refuse(const Request& request, const char* why) {
  uncount();
  return unavailable(request.tag_text() + why);
}

// Whoever brings the count to nothing after stop() wakes those who wait for that. seq_cst: either
// this sees the stop, or the stop's own wake-up comes after the count.
void Scheduler::uncount() {
  if (queued_.fetch_sub(1) == 1 && stopping_.load()) parker_.notify_all();
}

bool Scheduler::next(Batch& batch) {
  for (;;) {
    Poll poll_result = poll(clock_.now_ns(), batch);
    if (poll_result.kind == PollKind::kWait) {
      const auto key = parker_.prepare_wait();
      poll_result = poll(clock_.now_ns(), batch);  // what came before prepare_wait()
      if (poll_result.kind == PollKind::kWait) {
        (void)parker_.wait(key, poll_result.wait_until_ns);
        continue;
      }
      parker_.cancel_wait();
    }
    return poll_result.kind == PollKind::kBatch;
  }
}

void Scheduler::stop() {
  stopping_.store(true);  // seq_cst: see submit()
  parker_.notify_all();
}

void Scheduler::abort() {
  aborting_.store(true);  // seq_cst: see submit()
  stop();
  refuse_queued();
}

void Scheduler::refuse_queued() {
  Batch none;
  (void)poll(clock_.now_ns(), none);
  assert(none.empty());
}

std::uint64_t Scheduler::pending() const {
  return queued_.load(std::memory_order_relaxed);  // relaxed: a gauge
}

bool Scheduler::pop(Request*& request) { return ring_.try_pop(request); }

void Scheduler::leave_queue(Request& request) {
  request.set_state(RequestState::kBatched);
  uncount();
}

bool Scheduler::drained() const { return stopping_.load() && queued_.load() == 0; }

std::int64_t Scheduler::queue_timeout_ns(const Request& request) const {
  const QueuePolicy& policy = plan_.dynamic.default_policy;
  std::uint64_t timeout_us = policy.default_timeout_us;
  // S-7, X-28: a request's own time-out only lowers a default that is there.
  if (policy.allow_timeout_override && request.timeout_us > 0) {
    timeout_us = std::min(timeout_us, request.timeout_us);
  }
  return timeout_us == 0 ? kNoDeadline : after(request.times.queued, timeout_us);
}

std::int64_t Scheduler::expires_ns(const Request& request) const {
  return std::min(queue_timeout_ns(request), request.deadline_ns);
}

bool Scheduler::turn_away(Request* request, std::int64_t now_ns, std::int64_t expires_ns) {
  Status status;
  FailureReason reason = FailureReason::kRejected;
  if (request->cancelled()) {
    status = Status(Code::kCancelled, "");  // contract 1.0: an empty message
    reason = FailureReason::kCanceled;
  } else if (aborting_.load()) {
    status = unavailable(request->tag_text() + kStopText);
    reason = FailureReason::kOther;
  } else if (now_ns >= expires_ns) {
    status = unavailable("Request timeout expired");
  } else {
    return false;
  }
  uncount();
  sink_.reject(request, std::move(status), reason);
  return true;
}

std::unique_ptr<Scheduler> make_scheduler(const ModelPlan& plan, const Clock& clock,
                                          RejectSink& sink) {
  if (plan.scheduler == SchedulerKind::kDynamic) {
    return std::make_unique<DynamicScheduler>(plan, clock, sink);
  }
  return std::make_unique<DefaultScheduler>(plan, clock, sink);
}

}  // namespace penstock
