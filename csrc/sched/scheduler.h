// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Scheduler: what stands between submit and an instance. Instances pull.
//
// A scheduler is built from a plan, a clock and a sink for the requests it turns away; it knows no
// model, server or back end. poll() and sweep() are all its decisions and never block, so every
// scheduler is tested on a ManualClock; next() is the same for all: poll, or park until something
// may have changed. Thread safety: all methods, any thread. Ownership: borrows requests. submit()
// never blocks, and takes no lock but that of a sequence model's own; next() blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "penstock/backend.h"
#include "penstock/clock.h"
#include "penstock/plan.h"
#include "penstock/request.h"
#include "penstock/status.h"
#include "sched/queue_levels.h"
#include "sync/mpmc_ring.h"
#include "sync/parker.h"
#include "sync/turnstile.h"

namespace penstock {

// A request whose end-to-end deadline has passed before it was executed.
[[nodiscard]] Status deadline_exceeded(const Request& request);

// Takes the requests that never run: expired, cancelled, or refused by a stop; and what the log
// should say.
class RejectSink {
 public:
  virtual ~RejectSink() = default;
  virtual void reject(Request* request, Status status, FailureReason reason) = 0;
  // Rare; under the scheduler's lock.
  virtual void notice(std::string /*line*/) {}
};

enum class PollKind : std::uint8_t { kBatch, kWait, kStopped };

struct Poll {
  PollKind kind = PollKind::kWait;
  std::int64_t wait_until_ns = kNoDeadline;  // with kWait
};

class Scheduler {
 public:
  Scheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink);
  virtual ~Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // UNAVAILABLE when the queue is full or the scheduler stops; the caller still owns the request.
  // Wakes nobody: wake() is owed, once for any number of requests.
  // `expires_ns` (may be null) receives when the request will leave the queue unserved.
  [[nodiscard]] Status submit(Request& request, std::int64_t* expires_ns = nullptr);
  // Wakes whoever may have something to do now; who leaves anything behind wakes the next.
  virtual void wake() { parker_.notify_one(); }
  // Fills `batch` (which must be empty) for an instance when one is due. Turns away what must not
  // run, as far as it looks.
  [[nodiscard]] virtual Poll poll(std::uint32_t instance, std::int64_t now_ns, Batch& batch) = 0;
  // Turns away all that must not run any more, also when no instance is idle to poll. Says when the
  // next of what waits expires, or may be found to.
  virtual std::int64_t sweep(std::int64_t now_ns) = 0;
  // Waits for a batch; false once stopped and empty, or for an instance that is to end.
  [[nodiscard]] bool next(std::uint32_t instance, Batch& batch);
  // The instance's next() returns false, once. Not where requests are bound to instances.
  void end_instance(std::uint32_t instance);
  // What wake() wakes, for an instance that waits for other things too.
  [[nodiscard]] Parker& parker() { return parker_; }
  // A batch was executed and is about to be answered.
  virtual void finished(std::uint32_t /*instance*/, Batch& /*batch*/) {}
  // Refuses new requests; what is queued is still served, then next() returns false.
  void stop();
  // stop(), and what is queued is turned away, also when no instance ever asks for it.
  void abort();
  // After stop() or abort(): gives back what was kept for requests that might have come.
  virtual void forget_clients() {}
  // Requests waiting that are served before one of this priority that comes now.
  [[nodiscard]] std::uint64_t ahead_of(const Request& request) const;
  // Requests waiting (M-10).
  [[nodiscard]] std::uint64_t pending() const;
  // Of these, so many that an instance could take some of; all, where instances share the queue.
  [[nodiscard]] virtual std::uint64_t pending_for(std::uint32_t /*instance*/) { return pending(); }
  [[nodiscard]] virtual bool instances_share() const { return true; }
  // Stopped, and nothing is queued: there will be no batch any more.
  [[nodiscard]] bool drained() const;
  // When the request leaves the queue unserved: queue time-out (S-7) or end-to-end deadline.
  [[nodiscard]] std::int64_t expires_ns(const Request& request) const;

 protected:
  // Puts a request where poll() finds it; on error it is the caller's again. Not to be touched once
  // it is there. `expires_ns` as in submit().
  [[nodiscard]] virtual Status enqueue(Request& request, std::int64_t* expires_ns);
  // Takes the oldest request off the ring; false when it is empty.
  [[nodiscard]] bool pop(Request*& request);
  // One that leaves the queue to run.
  void leave_queue(Request& request);
  // One that ran and is queued for another step (S-31).
  void return_to_queue(Request& request);
  // Turns the request away when it must not run any more; true when it did.
  [[nodiscard]] bool turn_away(Request* request, std::int64_t now_ns, std::int64_t expires_ns);
  // Turns the request away whatever its state.
  void turn_away(Request* request, Status status, FailureReason reason);
  // When a sweep that has found `held` requests waiting, the first of them until `earliest_ns`, is
  // to be repeated: soon, if there are more, which are counted but not yet where it looks.
  [[nodiscard]] std::int64_t next_sweep_ns(std::size_t held, std::int64_t earliest_ns,
                                           std::int64_t now_ns) const;
  void notice(std::string line) { sink_.notice(std::move(line)); }
  // What is queued is being turned away.
  [[nodiscard]] bool aborting() const { return aborting_.load(); }
  void wake_all() { parker_.notify_all(); }

  const ModelPlan& plan_;
  const Clock& clock_;
  QueueLevels levels_;

 private:
  [[nodiscard]] Status refuse(const char* why, const Request& request);
  void uncount();
  [[nodiscard]] bool ends(std::uint32_t instance) {
    return any_ending_.load() && take_ending(instance);  // seq_cst: see end_instance()
  }
  [[nodiscard]] bool take_ending(std::uint32_t instance);
  bool leave();

  RejectSink& sink_;
  MpmcRing<Request*> ring_;
  Parker parker_;
  Turnstile queue_;  // requests that wait, closed by stop()
  std::atomic<bool> aborting_{false};
  std::atomic<bool> any_ending_{false};  // written under ending_mutex_
  std::mutex ending_mutex_;
  std::vector<std::uint32_t> ending_;  // under ending_mutex_
};

// The scheduler that the plan asks for.
std::unique_ptr<Scheduler> make_scheduler(const ModelPlan& plan, const Clock& clock,
                                          RejectSink& sink);

}  // namespace penstock
