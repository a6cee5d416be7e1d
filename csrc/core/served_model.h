// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: one loaded model version: its scheduler, its instances' threads, its statistics.
//
// Thread safety: all methods, any thread; next() and complete() of one index from one thread at a
// time. Ownership: shared by the table, by requests (the pin) and by the control plane; the heavy
// part (instances) goes with shut_down(). next() and shut_down() block.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cache/model_cache.h"
#include "cache/remote_answers.h"
#include "core/device_pipeline.h"
#include "core/ensemble_runner.h"
#include "core/limited_instances.h"
#include "core/ordered_delivery.h"
#include "core/reaper.h"
#include "core/statistics.h"
#include "core/trace_slot.h"
#include "core/warm_up_gate.h"
#include "penstock/engine.h"
#include "penstock/notices.h"
#include "request/request_pool.h"
#include "sched/admission.h"
#include "sched/scheduler.h"
#include "sync/parker.h"
#include "sync/turnstile.h"

namespace penstock {

// What a model has of its engine, and which outlives it.
struct ServedModelContext {
  BufferPool& pool;
  ResponsePool& responses;
  const Clock& clock;
  Tracer& tracer;
  Notices& notices;
  Reaper* reaper = nullptr;              // null: somebody else calls sweep()
  Engine* engine = nullptr;              // where an ensemble's steps go
  ResponseCache* cache = nullptr;        // null: nothing is cached here
  RemoteStore* store = nullptr;          // null: nor elsewhere
  std::shared_ptr<RateLimiter> limiter;  // null: plans' instance limits are not looked at
  DevicePools* devices = nullptr;        // null: all tensors are in the host's memory
};

class ServedModel final : public ModelVersion,
                          public Sweepable,
                          public ResponseSink,
                          public std::enable_shared_from_this<ServedModel>,
                          private RejectSink,
                          private RemoteAnswers::Owner {
 public:
  ServedModel(std::shared_ptr<const ModelPlan> plan, const ServedModelContext& context);
  ~ServedModel() override;

  [[nodiscard]] const ModelPlan& plan() const override { return *plan_; }
  [[nodiscard]] ModelStatistics statistics() const override;
  [[nodiscard]] LatencySummary summary(Latency latency,
                                       std::span<const double> quantiles) const override;
  [[nodiscard]] bool next(std::uint32_t index, Batch& batch) override;
  void complete(std::uint32_t index, Batch& batch) override;
  void start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) override;
  [[nodiscard]] Status warm_up(std::uint32_t index,
                               std::span<const std::vector<WarmUpInput>> requests) override;
  [[nodiscard]] std::uint32_t instance_limit() const override;
  [[nodiscard]] Status end_instance(std::uint32_t index) override;
  [[nodiscard]] Status health() const override;
  void set_problem(std::string problem) override;

  // What can fail of the construction.
  [[nodiscard]] Status prepare();

  // Pins this version in the request; false once it retires.
  [[nodiscard]] bool enter(Request& request);
  // S-48: until unpin() this version is in use, and enter_pinned() cannot fail; false once it
  // retires.
  [[nodiscard]] bool pin();
  void unpin();
  void enter_pinned(Request& request);
  // The request was answered, or given back without having been submitted.
  void leave(Request& request);
  // Queues without waking an instance: a wake_instance() is owed. Answers what is cached.
  [[nodiscard]] Status submit(Request& request);
  void wake_instance() {
    // They were hits, or are being looked up.
    if (cached() && scheduler_->pending() == 0) return;
    if (ensemble_) return ensemble_->wake();
    limited_ ? limited_->wake() : scheduler_->wake();
  }
  std::int64_t sweep(std::int64_t now_ns) override;

  // 4.5: once, before instances are started. INVALID_ARG when one of them could never run.
  [[nodiscard]] Status limit_instances();

  // The version is being published: its instances wait for warm-ups no more.
  void open() { gate_.open(); }

  // What executes an ensemble; at most once. On a thread of its own, but where time is somebody
  // else's: who calls sweep() there calls turn_ensemble(), too.
  void start_ensemble();
  bool turn_ensemble() { return ensemble_->turn(); }

  // ---- for an instance that does not wait here, and its answers (EnsembleRunner) ----
  // As next(), at once.
  [[nodiscard]] PollKind try_next(std::uint32_t index, Batch& batch);
  // As begin_response(), but null when the client has not taken enough yet.
  [[nodiscard]] Result<Response*> try_begin_response(Request& request) override;
  void drop_response(Response* response) { context_.responses.release(response); }
  // S-49: statistics of the request, in ns: input, infer, output.
  static void set_compute(Request& request, const std::array<std::uint64_t, 3>& compute_ns);

  // ---- for Responder ----
  [[nodiscard]] Result<Response*> begin_response(Request& request) override;
  void send(Request& request, Response* response) override;
  void finish(Request& request, Response* last, Status status) override;
  // The owner is done with a response that was not the final one.
  void response_read(Request& request);

  // No enter() from now on; waits until every request is answered and every pin has ended, or
  // `timeout_ns` has passed and what is queued is refused; then ends the instances.
  void shut_down(std::int64_t timeout_ns);

 private:
  void reject(Request* request, Status status, FailureReason reason) override;
  void notice(std::string line) override { context_.notices.add(std::move(line)); }
  void bind(Request& request);
  void take(std::uint32_t index, Batch& batch);
  void answer(const Batch& batch);
  void answer_alone(Request& request);
  [[nodiscard]] bool goes_on(std::int64_t took_ns) const;
  // ---- counting.cc ----
  void fail_unanswered(Request& request) const;
  void settle(Request& request, std::int64_t now_ns, StatisticsCell::Update& update);
  void count_response(Request& request, const Status& status, bool empty);
  void count_batch(std::uint32_t index, const Batch& batch, std::int64_t now_ns);
  void count_rejected(const Request& request, std::int64_t now_ns, FailureReason reason);
  [[nodiscard]] bool in_order() const {
    return plan_->dynamic.preserve_ordering && !plan_->decoupled && !ensemble_;
  }
  // Instances that came later share the cells of the first ones.
  [[nodiscard]] StatisticsCell& cell(std::uint32_t index) {
    return cells_[index < cells_.size() ? index : index % cells_.size()];
  }
  // ---- instance_threads.cc ----
  void run(std::uint32_t index, NativeInstance& instance);
  void add_thread(std::uint32_t index, std::thread thread);
  void join_threads();
  [[nodiscard]] bool pull(std::uint32_t index, Batch& batch);
  void settle_batch(std::uint32_t index, Batch& batch);
  // ---- device_instances.cc ----
  [[nodiscard]] DevicePipeline* pipeline(std::uint32_t index) const {
    return index < pipelines_.size() ? pipelines_[index].get() : nullptr;
  }
  [[nodiscard]] bool next_on_device(std::uint32_t index, Batch& batch);
  [[nodiscard]] bool leave_to_others(std::uint32_t index) const;
  // ---- deadlines.cc: of requests that have one ----
  [[nodiscard]] Status check_deadline(const Request& request);
  [[nodiscard]] Status admit(const Request& request);
  [[nodiscard]] Status queue(Request& request);
  // ---- cached_answers.cc ----
  [[nodiscard]] bool cached() const { return cache_.has_value() || remote_ != nullptr; }
  [[nodiscard]] bool answer_from_cache(Request& request);
  [[nodiscard]] bool look_up(Request& request);
  void looked_up(Request& request, bool hit) override;
  void answer_hit(Request& request, std::int64_t started_ns, std::int64_t now_ns);
  void cache_answer(Request& request);
  // ---- warm_up.cc ----
  [[nodiscard]] Status prepare_warm_up(Request& request, const std::vector<WarmUpInput>& inputs,
                                       CompletionRing& ring);
  [[nodiscard]] bool take_warm_up(std::uint32_t index, Batch& batch);
  void complete_warm_up(Batch& batch);
  // The batch, or the responder, needs the request no more; the last of them delivers its answer.
  void let_go(Request& request);
  // In this order: who has a pin may still enter.
  [[nodiscard]] bool unused() const { return pins_.empty() && in_flight_.empty(); }

  const std::shared_ptr<const ModelPlan> plan_;
  const ServedModelContext context_;
  const Clock& clock_;
  const std::shared_ptr<const TraceSlot> trace_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<StatisticsCell> cells_;      // one an instance
  StatisticsCell unexecuted_;              // of requests that reached none
  std::optional<ModelCache> cache_;        // when its answers are cached, in the server
  std::unique_ptr<RemoteAnswers> remote_;  // or outside it
  WarmUpGate gate_;
  OrderedDelivery ordered_;
  std::unique_ptr<EnsembleRunner> ensemble_;                // of an ensemble
  std::unique_ptr<LimitedInstances> limited_;               // when the rate limiter has a say
  std::vector<std::unique_ptr<DevicePipeline>> pipelines_;  // null: host; empty: all of them
  Parker response_room_;
  std::atomic<bool> refusing_responses_{false};
  std::atomic<std::uint32_t> instances_;  // as far as they were numbered
  ServiceTime service_time_;              // of a batch
  std::atomic<std::uint64_t> late_{0};    // refused at once for their deadlines
  Turnstile in_flight_;                   // requests; closed: the version retires
  Turnstile pins_;                        // closed with it
  Parker drained_;
  std::mutex threads_mutex_;
  // Under threads_mutex_, by instance; instances outlive their threads.
  std::unordered_multimap<std::uint32_t, std::unique_ptr<NativeInstance>> natives_;
  std::unordered_multimap<std::uint32_t, std::thread> threads_;
  mutable std::mutex problem_mutex_;
  std::string problem_;  // under problem_mutex_
};

}  // namespace penstock
