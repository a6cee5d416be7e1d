// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SequenceScheduler: what the two sequence batchers share (contract 4.3): who may come in, which
// instance is whose, what ends a sequence, and how its state goes from one request to the next.
//
// How many rows run together is the subclasses'. Thread safety: as Scheduler, under one lock of
// this model's own. submit() takes it: whether a request is an error depends on which sequences
// there are, and the caller is told at once (S-20..S-22). What is done under it is bounded by the
// model's own sequences. Ownership: borrows requests, keeps the states of sequences.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "sched/scheduler.h"
#include "sched/sequence_table.h"

namespace penstock {

class SequenceScheduler : public Scheduler {
 public:
  SequenceScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink);

  // A slot is one instance's: only that one can do anything about a request.
  void wake() final { wake_all(); }
  [[nodiscard]] Poll poll(std::uint32_t instance, std::int64_t now_ns, Batch& batch) final;
  std::int64_t sweep(std::int64_t now_ns) final;
  void finished(std::uint32_t instance, Batch& batch) final;
  void forget_clients() final;
  [[nodiscard]] std::uint64_t pending_for(std::uint32_t instance) final;
  [[nodiscard]] bool instances_share() const final { return false; }

 protected:
  // ---- for subclasses, all under the lock ----
  using Due = std::deque<Sequence*>;
  // Fills the batch from `due`: sequences of the instance whose next request may run, in the order
  // in which that came about; at least one. kWait when more rows are worth waiting for.
  [[nodiscard]] virtual Poll form(std::uint32_t instance, const Due& due, std::int64_t now_ns,
                                  Batch& batch) = 0;
  // Whether the next request of `other` can lie in a batch with `request`, the first's next one.
  [[nodiscard]] bool fits(const Sequence& first, const Request& request,
                          const Sequence& other) const;
  // Makes a sequence's states those that its next request has to see.
  void prepare(Sequence& sequence) const;
  // A row that is the sequence's next request.
  void run(Sequence& sequence, Batch& batch);
  [[nodiscard]] Sequence* sequence_at(std::uint32_t instance, std::size_t slot) const {
    return table_.at(instance, slot);
  }

  const std::uint32_t slots_;  // an instance has

 private:
  [[nodiscard]] Status enqueue(Request& request, std::int64_t* expires_ns) final;
  // The sequence that a request belongs to from now on.
  [[nodiscard]] Result<Sequence*> join(Request& request);
  [[nodiscard]] std::int64_t idle_at(const Sequence& sequence) const;
  void add(Sequence& sequence, Request& request);

  // What time and cancellation do. reap() looks only when something can have become due.
  void reap(std::int64_t now_ns);
  void look_at_all(std::int64_t now_ns);
  void look_at(Sequence& sequence, std::int64_t now_ns);
  [[nodiscard]] bool break_off_if_due(Sequence& sequence, std::int64_t now_ns);
  // Turns away all that waits: each for its own reason, if it has one, else for this.
  void break_off(Sequence& sequence, const Status& status, FailureReason reason);
  void close(Sequence& sequence);

  void make_due(Sequence& sequence);
  void done(Sequence& sequence, Batch& batch, std::size_t row);

  const std::int64_t idle_ns_;
  const SequenceStates initial_;
  std::mutex mutex_;
  // Under mutex_:
  SequenceTable table_;
  std::vector<Due> due_;                         // by instance
  std::vector<std::vector<Sequence*>> running_;  // by instance: of its batch, in the order of rows
  std::int64_t look_ns_ = kNoDeadline;           // nothing changes by time alone before
  std::uint64_t own_ids_ = 0;                    // S-31, ever given
};

}  // namespace penstock
