// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: one loaded model version: its scheduler, its instances' threads, its statistics.
//
// Thread safety: all methods, any thread; next() and complete() of one index from one thread at a
// time. Ownership: shared by the table, by requests (the pin) and by the control plane; the heavy
// part (instances) goes with shut_down(). next() and shut_down() block.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/statistics.h"
#include "penstock/engine.h"
#include "sched/scheduler.h"
#include "sync/parker.h"

namespace penstock {

class ServedModel final : public ModelVersion,
                          public std::enable_shared_from_this<ServedModel>,
                          private RejectSink {
 public:
  ServedModel(std::shared_ptr<const ModelPlan> plan, BufferPool& pool, const Clock& clock);
  ~ServedModel() override;

  [[nodiscard]] const ModelPlan& plan() const override { return *plan_; }
  [[nodiscard]] ModelStatistics statistics() const override;
  [[nodiscard]] bool next(std::uint32_t index, Batch& batch) override;
  void complete(std::uint32_t index, Batch& batch) override;
  void start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) override;

  // Pins this version in the request; false once it retires.
  [[nodiscard]] bool enter(Request& request);
  // The request was answered, or given back without having been submitted.
  void leave(Request& request);
  // Queues without waking an instance: a wake_instance() is owed.
  [[nodiscard]] Status submit(Request& request) { return scheduler_->submit(request); }
  void wake_instance() { scheduler_->wake_one(); }
  // No enter() from now on; waits until every request is answered, or `timeout_ns` has passed and
  // what is queued is refused; then ends the instances.
  void shut_down(std::int64_t timeout_ns);

 private:
  void reject(Request* request, Status status, FailureReason reason) override;
  void run(std::uint32_t index, NativeInstance& instance);
  void settle(Request& request, const Batch& batch, std::int64_t now_ns,
              StatisticsCell::Update& update);
  void deliver(const Batch& batch);

  const std::shared_ptr<const ModelPlan> plan_;
  BufferPool& pool_;
  const Clock& clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<StatisticsCell> cells_;  // one an instance
  StatisticsCell rejected_;            // of requests that reached none
  std::atomic<std::uint64_t> in_flight_{0};
  std::atomic<bool> retiring_{false};
  Parker drained_;
  std::mutex threads_mutex_;
  std::vector<std::thread> threads_;  // under threads_mutex_
};

}  // namespace penstock
