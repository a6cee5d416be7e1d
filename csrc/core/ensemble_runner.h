// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// EnsembleRunner: executes an ensemble (contract 4.4): a step starts when all its inputs are there,
// the outputs of one are the inputs of the next without a copy, and what a request does not need
// does not run.
//
// It is the one instance of the ensemble's scheduler. Each step is a request to its model like any
// other, so it is batched, queued, timed and counted there. Its thread is the one that has news: a
// door's with a request, an instance's with the answer of a step. Only where nobody may stop for
// that does the thread in run(). Thread safety: run() or turn() on one thread; look() and wake()
// from any. Ownership: borrows model, scheduler and engine, which outlive it. Only run() blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/ensemble_graph.h"
#include "core/ensemble_run.h"
#include "penstock/engine.h"
#include "sched/scheduler.h"
#include "sync/errands.h"
#include "sync/parker.h"
#include "sync/signal.h"
#include "sync/strand.h"

namespace penstock {

class ServedModel;

class EnsembleRunner final : private Waker {
 public:
  // `has_thread`: somebody will call run(), not turn().
  EnsembleRunner(ServedModel& model, Scheduler& scheduler, Engine& engine, bool has_thread);
  ~EnsembleRunner() override;
  EnsembleRunner(const EnsembleRunner&) = delete;
  EnsembleRunner& operator=(const EnsembleRunner&) = delete;

  // Until the scheduler is stopped and everything is answered.
  void run();
  // In place of run(): does what can be done now. False: there was nothing.
  bool turn();
  // A request may have been cancelled, or a client may have taken a response.
  void look();
  // There is something to do: as soon as this thread holds nothing, or by the one in run().
  void wake() noexcept override;
  // The same, for who then waits until run() ends.
  void wake_thread() noexcept { helper_->parker.notify_one(); }

 private:
  // Outlives the runner, whom only those may touch who got into the strand.
  struct Helper final : Errand {
    explicit Helper(EnsembleRunner& of) : runner(of) {}
    void run() noexcept override;
    EnsembleRunner& runner;
    Strand strand;
    Parker parker;  // of the thread in run()
  };
  enum class Outcome : std::uint8_t { kLeft, kTired, kOver };
  // In the strand, and out of it where nothing is left to do: kLeft.
  [[nodiscard]] Outcome work(std::uint32_t turns);
  [[nodiscard]] bool exhaust(std::uint32_t& turns);
  // What the thread in run() does when it is awake. True: it is over, and the strand is closed.
  [[nodiscard]] bool work_or_end();
  [[nodiscard]] bool take_responses();
  [[nodiscard]] bool take_requests();
  void look_around();
  void begin(Batch& batch);
  [[nodiscard]] Status pin_models(EnsembleRun& run);

  // ---- ensemble_runner.cc: requests and responses ----
  void receive(Response& response);
  void end_call(EnsembleCall& call, Response& response);
  EnsembleFlow& spawn(EnsembleCall& call, Response& response);
  void start_waiting(std::uint32_t step, const EnsembleRun& current);
  // settle() is owed by whoever called what may fail.
  void fail(EnsembleRun& run, Status status);
  void finish(EnsembleRun& run);
  void respond(EnsembleFlow& flow);
  void block(EnsembleFlow& flow);
  void send(EnsembleFlow& flow, Response* response);
  void retry_blocked();

  // ---- ensemble_steps.cc: what runs next ----
  EnsembleFlow& add_flow(EnsembleRun& run, EnsembleFlow* parent, std::uint32_t source);
  void store_outputs(EnsembleFlow& flow, std::uint32_t step, Response& response);
  // Starts what can start, and answers what can be answered, now that `flow` knows more.
  void advance(EnsembleFlow& flow);
  void start_step(EnsembleFlow& flow, std::uint32_t step);
  void submit(EnsembleFlow& flow, std::uint32_t step);
  [[nodiscard]] Status fill(Request& request, const EnsembleFlow& flow, std::uint32_t number);
  [[nodiscard]] bool ready(const EnsembleFlow& flow, std::uint32_t step) const;
  // Drops the flow, and those that were only waiting for it, once nothing can happen in it any
  // more, and the run with the last of them.
  void settle(EnsembleFlow& flow);
  [[nodiscard]] bool over(const EnsembleFlow& flow) const;
  void drop(EnsembleFlow& flow);
  void let_go(EnsembleCall& call);

  ServedModel& model_;
  Scheduler& scheduler_;
  Engine& engine_;
  const ModelPlan& plan_;
  const EnsembleGraph graph_;
  const std::shared_ptr<Helper> helper_ = std::make_shared<Helper>(*this);
  const bool has_thread_;
  CompletionRing ring_{*this};
  SubmitBurst burst_;
  Batch batch_;
  Signal look_;
  bool stopped_ = false;
  std::vector<std::unique_ptr<EnsembleRun>> runs_;
  std::vector<std::uint32_t> inflight_;             // of each step (S-46)
  std::vector<std::deque<EnsembleFlow*>> waiting_;  // for room in each step
  std::deque<EnsembleFlow*> blocked_;               // whose response waits for the client
};

}  // namespace penstock
