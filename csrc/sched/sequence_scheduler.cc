// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/sequence_scheduler.h"

#include <algorithm>
#include <utility>

#include "batch/shapes.h"
#include "sched/sequence_rules.h"

namespace penstock {
namespace {

constexpr const char* kSequenceExpired = "timeout of the corresponding sequence has been expired";

std::int64_t to_ns(std::uint64_t us) {
  constexpr std::uint64_t kMaxUs = INT64_MAX / 4000;
  return static_cast<std::int64_t>(std::min(us, kMaxUs) * 1000);
}

// S-23.
std::uint32_t slots_of(const ModelPlan& plan) {
  const std::uint32_t candidates = plan.sequence.max_candidate_sequences;
  if (plan.scheduler == SchedulerKind::kOldest && candidates > 0) return candidates;
  return static_cast<std::uint32_t>(std::max<std::int64_t>(plan.max_batch_size, 1));
}

}  // namespace

SequenceScheduler::SequenceScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
    : Scheduler(plan, clock, sink),
      slots_(slots_of(plan)),
      idle_ns_(to_ns(plan.sequence.max_idle_us)),
      initial_(initial_states(plan)),
      table_(plan.instance_count, slots_),
      due_(plan.instance_count),
      running_(plan.instance_count) {}

// ---- coming in ----

Result<Sequence*> SequenceScheduler::join(Request& request) {
  if (plan_.sequence.iterative && !has_sequence_id(request)) {
    give_own_id(plan_, ++own_ids_, request);
    Sequence& own = table_.open({SequenceId::Space::kOwn, own_ids_, {}});
    table_.forget(own);  // nobody else knows its id: it ends with this request
    return &own;
  }
  SequenceId id = sequence_id(request);
  Sequence* known = table_.find(id);
  // A client that cancelled and comes again is told that it must start.
  if (known != nullptr && !known->waiting.empty() && known->waiting.front()->cancelled()) {
    look_at(*known, request.times.queued);
    known = nullptr;
  }
  const bool starts = (request.flags & kSequenceStart) != 0;
  if (known == nullptr) {
    if (!starts) return must_start(plan_, request);
    known = &table_.open(std::move(id));
  } else if (starts) {  // S-22: it goes on in its place; what was queued before still runs
    notice(started_anew(plan_, request));
  }
  if ((request.flags & kSequenceEnd) != 0) table_.forget(*known);
  return known;
}

Status SequenceScheduler::enqueue(Request& request, std::int64_t* expires) {
  PENSTOCK_RETURN_IF_ERROR(check_sequence_request(plan_, request));
  std::lock_guard lock(mutex_);
  reap(request.times.queued);
  auto joined = join(request);
  if (!joined.ok()) return joined.take_status();
  Sequence& sequence = *joined.value();
  sequence.last_ns = request.times.queued;
  if (!sequence.seated() && request.timeout_us > 0) {  // S-24
    sequence.expires_ns =
        std::min(sequence.expires_ns, request.times.queued + to_ns(request.timeout_us));
  }
  const std::int64_t due = std::min({expires_ns(request), idle_at(sequence), sequence.expires_ns});
  look_ns_ = std::min(look_ns_, due);
  if (expires != nullptr) *expires = due;
  add(sequence, request);
  return {};
}

void SequenceScheduler::add(Sequence& sequence, Request& request) {
  const bool first = sequence.waiting.empty();
  sequence.waiting.push_back(&request);
  if (first) make_due(sequence);
}

// Its next request may run from now on, if there is one and no other of it runs.
void SequenceScheduler::make_due(Sequence& sequence) {
  if (!sequence.seated() || sequence.running || sequence.waiting.empty()) return;
  due_[table_.instance_of(sequence)].push_back(&sequence);
}

// ---- what ends a sequence ----

// S-25: of one that has a slot; in the backlog sequences do not grow idle.
std::int64_t SequenceScheduler::idle_at(const Sequence& sequence) const {
  return sequence.known && sequence.seated() ? sequence.last_ns + idle_ns_ : kNoDeadline;
}

void SequenceScheduler::reap(std::int64_t now_ns) {
  if (now_ns >= look_ns_) look_at_all(now_ns);
}

void SequenceScheduler::look_at_all(std::int64_t now_ns) {
  look_ns_ = kNoDeadline;
  table_.for_each([&](Sequence& sequence) { look_at(sequence, now_ns); });
}

void SequenceScheduler::look_at(Sequence& sequence, std::int64_t now_ns) {
  if (!break_off_if_due(sequence, now_ns) && now_ns >= idle_at(sequence)) table_.forget(sequence);
  if (sequence.over()) return close(sequence);
  look_ns_ = std::min({look_ns_, idle_at(sequence), sequence.expires_ns});
  for (const Request* request : sequence.waiting) {
    look_ns_ = std::min(look_ns_, expires_ns(*request));
  }
}

bool SequenceScheduler::break_off_if_due(Sequence& sequence, std::int64_t now_ns) {
  const auto& waiting = sequence.waiting;
  const bool cancelled =
      std::any_of(waiting.begin(), waiting.end(), [](const Request* r) { return r->cancelled(); });
  // Without the one that is late the others would be executed on a wrong state.
  const auto late = [&](const Request* r) { return now_ns >= expires_ns(*r); };
  if (cancelled) {  // S-29
    break_off(sequence, Status(Code::kCancelled, ""), FailureReason::kCanceled);
  } else if (aborting() || now_ns >= sequence.expires_ns ||
             std::any_of(waiting.begin(), waiting.end(), late)) {  // S-24
    break_off(sequence, unavailable(kSequenceExpired), FailureReason::kRejected);
  } else {
    return false;
  }
  return true;
}

void SequenceScheduler::break_off(Sequence& sequence, const Status& status, FailureReason reason) {
  table_.forget(sequence);
  if (sequence.seated() && !sequence.running) {
    std::erase(due_[table_.instance_of(sequence)], &sequence);
  }
  while (!sequence.waiting.empty()) {
    Request* request = sequence.waiting.front();
    sequence.waiting.pop_front();
    if (!turn_away(request, clock_.now_ns(), expires_ns(*request))) {
      turn_away(request, status, reason);
    }
  }
}

void SequenceScheduler::close(Sequence& sequence) {
  Sequence* next = table_.close(sequence);
  if (next == nullptr) return;
  next->last_ns = std::max(next->last_ns, clock_.now_ns());  // it could not grow idle so far
  look_ns_ = std::min(look_ns_, idle_at(*next));
  make_due(*next);
  wake_all();
}

// Their states are memory of the engine, which may end before the last one who knows this model.
void SequenceScheduler::forget_clients() {
  std::lock_guard lock(mutex_);
  table_.for_each([&](Sequence& sequence) {
    table_.forget(sequence);
    if (sequence.over()) close(sequence);
  });
}

std::uint64_t SequenceScheduler::pending_for(std::uint32_t instance) {
  std::lock_guard lock(mutex_);
  return due_[instance].size();
}

std::int64_t SequenceScheduler::sweep(std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  look_at_all(now_ns);
  return look_ns_;
}

// ---- running ----

Poll SequenceScheduler::poll(std::uint32_t instance, std::int64_t now_ns, Batch& batch) {
  std::lock_guard lock(mutex_);
  reap(now_ns);
  Due& due = due_[instance];
  // What is found cancelled here breaks its sequence off; deeper ones are for sweep().
  for (std::size_t i = 0; i < due.size();) {
    due[i]->waiting.front()->cancelled() ? look_at(*due[i], now_ns) : void(++i);
  }
  if (due.empty()) return {drained() ? PollKind::kStopped : PollKind::kWait};
  const Poll formed = form(instance, due, now_ns, batch);
  if (formed.kind != PollKind::kBatch) return formed;
  std::erase_if(due, [](const Sequence* s) { return s->running; });
  batch.sequence_rows().supply();
  return formed;
}

bool SequenceScheduler::fits(const Sequence& first, const Request& request,
                             const Sequence& other) const {
  const auto states = [this](const Sequence& s, const Request& r) -> const SequenceStates& {
    return (r.flags & kSequenceStart) != 0 ? initial_ : s.states;
  };
  const Request& its = *other.waiting.front();
  return can_share_batch(request, its) &&
         same_state_shapes(states(first, request), states(other, its));
}

void SequenceScheduler::prepare(Sequence& sequence) const {
  if ((sequence.waiting.front()->flags & kSequenceStart) != 0) sequence.states = initial_;
}

void SequenceScheduler::run(Sequence& sequence, Batch& batch) {
  prepare(sequence);
  Request* request = sequence.waiting.front();
  sequence.waiting.pop_front();
  sequence.running = true;
  running_[table_.instance_of(sequence)].push_back(&sequence);
  leave_queue(*request);
  batch.add_row(request, sequence.states, false);
}

void SequenceScheduler::finished(std::uint32_t instance, Batch& batch) {
  std::lock_guard lock(mutex_);
  reap(clock_.now_ns());  // before slots are passed on
  auto& running = running_[instance];
  std::size_t next = 0;
  for (std::size_t row = 0; row < batch.size(); ++row) {
    if (!batch.padding(row)) done(*running[next++], batch, row);
  }
  running.clear();
}

void SequenceScheduler::done(Sequence& sequence, Batch& batch, std::size_t row) {
  SequenceRows& rows = batch.sequence_rows();
  Request& request = batch.request(row);
  sequence.running = false;
  if (rows.rescheduled(row)) {
    rows.commit(row);
    request.flags &= ~static_cast<std::uint32_t>(kSequenceStart);
    return_to_queue(request);
    sequence.waiting.push_front(&request);
    look_ns_ = std::min(look_ns_, expires_ns(request));
  } else if (!batch.failed(row)) {
    rows.commit(row);
  }
  if (aborting()) return look_at(sequence, clock_.now_ns());
  make_due(sequence);
  if (sequence.over()) close(sequence);
}

}  // namespace penstock
