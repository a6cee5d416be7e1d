// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/scheduler.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "sched/default_scheduler.h"
#include "sched/direct_scheduler.h"
#include "sched/dynamic_scheduler.h"
#include "sched/oldest_scheduler.h"

namespace penstock {
namespace {

constexpr const char* kFullText = "Exceeds maximum queue size";
constexpr std::int64_t kSoonNs = 1'000'000;
constexpr const char* kStopText =
    "Server is stopping, scheduler for model has stopped accepting new inference requests";

}  // namespace

Status deadline_exceeded(const Request& request) {
  return {Code::kDeadlineExceeded,
          request.tag_text() + "the deadline expired before the request was executed"};
}

Scheduler::Scheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
    : plan_(plan), clock_(clock), levels_(plan), sink_(sink), ring_(plan.queue_capacity) {}

Status Scheduler::submit(Request& request, std::int64_t* expires) {
  const std::uint64_t before = queue_.enter();
  if (before >= plan_.queue_capacity || !levels_.enter(request)) {
    uncount();
    return refuse(kFullText, request);
  }
  Status refused;
  request.times.queued = clock_.now_ns();
  if (queue_.closed()) {
    refused = refuse(kStopText, request);
  } else {
    request.set_state(RequestState::kQueued);
    refused = enqueue(request, expires);
    if (!refused.ok()) request.set_state(RequestState::kFilling);
  }
  if (!refused.ok()) {
    levels_.leave(request);
    uncount();
    return refused;
  }
  return {};
}

Status Scheduler::enqueue(Request& request, std::int64_t* expires) {
  if (expires != nullptr) *expires = expires_ns(request);
  return ring_.try_push(&request) ? Status{} : refuse(kFullText, request);
}

Status Scheduler::refuse(const char* why, const Request& request) {
  return unavailable(request.tag_text() + why);
}

// Whoever brings the count to nothing after stop() wakes those who wait for that.
void Scheduler::uncount() {
  if (queue_.leave()) parker_.notify_all();
}

bool Scheduler::next(std::uint32_t instance, Batch& batch) {
  for (;;) {
    if (ends(instance)) return leave();
    Poll poll_result = poll(instance, clock_.now_ns(), batch);
    if (poll_result.kind == PollKind::kWait) {
      const auto key = parker_.prepare_wait();
      if (ends(instance)) {
        parker_.cancel_wait();
        return leave();
      }
      poll_result = poll(instance, clock_.now_ns(), batch);  // what came before prepare_wait()
      if (poll_result.kind == PollKind::kWait) {
        (void)parker_.wait(key, poll_result.wait_until_ns);
        continue;
      }
      parker_.cancel_wait();
    }
    return poll_result.kind == PollKind::kBatch;
  }
}

// A wake-up that came to who leaves may have been meant for a request.
bool Scheduler::leave() {
  wake();
  return false;
}

// seq_cst store, then wake: either an instance that is about to sleep sees the flag behind its
// prepare_wait(), or it is woken.
void Scheduler::end_instance(std::uint32_t instance) {
  {
    std::lock_guard lock(ending_mutex_);
    ending_.push_back(instance);
    any_ending_.store(true);
  }
  parker_.notify_all();
}

bool Scheduler::take_ending(std::uint32_t instance) {
  std::lock_guard lock(ending_mutex_);
  const auto found = std::find(ending_.begin(), ending_.end(), instance);
  if (found == ending_.end()) return false;
  ending_.erase(found);
  any_ending_.store(!ending_.empty());
  return true;
}

void Scheduler::stop() {
  queue_.close();
  parker_.notify_all();
}

void Scheduler::abort() {
  aborting_.store(true);  // before the close: who is let in no more is refused
  stop();
  sweep(clock_.now_ns());
  // One that was counted before may not be on the ring yet: its submitter does not look back.
  while (!queue_.empty()) {
    std::this_thread::yield();
    sweep(clock_.now_ns());
  }
}

std::uint64_t Scheduler::ahead_of(const Request& request) const {
  return levels_.size() == 1 ? pending() : levels_.up_to(request);
}

std::uint64_t Scheduler::pending() const { return queue_.inside(); }

bool Scheduler::pop(Request*& request) { return ring_.try_pop(request); }

void Scheduler::leave_queue(Request& request) {
  request.set_state(RequestState::kBatched);
  levels_.leave(request);
  uncount();
}

void Scheduler::return_to_queue(Request& request) {
  queue_.enter();
  request.set_state(RequestState::kQueued);
}

bool Scheduler::drained() const { return queue_.closed() && queue_.empty(); }

// seq_cst: whoever was counted too late for this looks at what is expected later still, and expects
// anew (sync/due_time.h).
std::int64_t Scheduler::next_sweep_ns(std::size_t held, std::int64_t earliest_ns,
                                      std::int64_t now_ns) const {
  return queue_.inside() > held ? std::min(earliest_ns, now_ns + kSoonNs) : earliest_ns;
}

std::int64_t Scheduler::expires_ns(const Request& request) const {
  return std::min(levels_.expires_ns(request), request.deadline_ns);
}

bool Scheduler::turn_away(Request* request, std::int64_t now_ns, std::int64_t expires_ns) {
  if (request->cancelled()) {  // contract 1.0: an empty message
    turn_away(request, Status(Code::kCancelled, ""), FailureReason::kCanceled);
  } else if (aborting_.load()) {
    turn_away(request, unavailable(request->tag_text() + kStopText), FailureReason::kOther);
  } else if (now_ns >= request->deadline_ns) {
    turn_away(request, deadline_exceeded(*request), FailureReason::kRejected);
  } else if (now_ns >= expires_ns) {
    turn_away(request, unavailable("Request timeout expired"), FailureReason::kRejected);
  } else {
    return false;
  }
  return true;
}

void Scheduler::turn_away(Request* request, Status status, FailureReason reason) {
  levels_.leave(*request);
  uncount();
  sink_.reject(request, std::move(status), reason);
}

std::unique_ptr<Scheduler> make_scheduler(const ModelPlan& plan, const Clock& clock,
                                          RejectSink& sink) {
  if (plan.scheduler == SchedulerKind::kDynamic) {
    return std::make_unique<DynamicScheduler>(plan, clock, sink);
  }
  if (plan.scheduler == SchedulerKind::kDirect) {
    return std::make_unique<DirectScheduler>(plan, clock, sink);
  }
  if (plan.scheduler == SchedulerKind::kOldest) {
    return std::make_unique<OldestScheduler>(plan, clock, sink);
  }
  return std::make_unique<DefaultScheduler>(plan, clock, sink);
}

}  // namespace penstock
