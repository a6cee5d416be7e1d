// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The core, in ns a request. Aim: submit -> execute -> complete of identity <= 1 us at 16 in
// flight. `scheduler/...` is the queue alone with a puppet back end, one thread; `engine/...` is
// everything that a request passes between a frontend's codec calls, with the instance on a thread
// of its own, as it runs in a server.
#include <benchmark/benchmark.h>
#include <poll.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "core/duration_buckets.h"
#include "penstock/completion.h"
#include "penstock/engine.h"
#include "penstock/native_backends.h"
#include "request/request_pool.h"
#include "sched/scheduler.h"

namespace penstock {

class RequestTestPeer {
 public:
  static void set_plan(Request& request, const ModelPlan& plan) { request.plan_ = &plan; }
};

namespace {

constexpr std::int64_t kFloats = 16;

ModelPlan identity_plan(bool dynamic) {
  ModelPlan plan;
  plan.name = "identity";
  plan.max_batch_size = 64;
  TensorSpec spec;
  spec.type = DataType::kFp32;
  spec.dims = Shape{-1};
  spec.name = "INPUT0";
  plan.inputs.push_back(spec);
  spec.name = "OUTPUT0";
  plan.outputs.push_back(spec);
  if (dynamic) plan.scheduler = SchedulerKind::kDynamic;
  return plan;
}

// Dies with the words of what failed: a benchmark of failures measures nothing.
void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

void add_input(Request& request, BufferPool& pool) {
  InputTensor* input = request.add_input("INPUT0");
  input->lease = pool.acquire(kFloats * sizeof(float));
  std::memset(input->lease->data, 0, kFloats * sizeof(float));
  input->view.type = DataType::kFp32;
  input->view.shape = Shape{1, kFloats};
  input->view.data = input->lease->data;
  input->view.size_bytes = kFloats * sizeof(float);
}

class NoRejects final : public RejectSink {
 public:
  void reject(Request*, Status status, FailureReason) override { must(status); }
};

// A burst of requests through the queue and out in batches, by one thread.
void scheduler(benchmark::State& state, bool dynamic) {
  const ModelPlan plan = identity_plan(dynamic);
  const RealClock clock;
  NoRejects sink;
  BufferPool pool(make_page_allocator(), {});
  RequestPool slots(64);
  const auto scheduler = make_scheduler(plan, clock, sink);
  std::vector<Request*> requests(static_cast<std::size_t>(state.range(0)));
  for (auto& request : requests) request = slots.acquire();
  Batch batch;
  std::int64_t batches = 0;
  while (state.KeepRunningBatch(state.range(0))) {
    for (auto& request : requests) {
      RequestTestPeer::set_plan(*request, plan);
      add_input(*request, pool);
      must(scheduler->submit(*request));
    }
    for (std::size_t taken = 0; taken < requests.size(); ++batches) {
      batch.begin(plan, pool, clock);
      if (!scheduler->next(0, batch)) std::exit(1);
      taken += batch.size();
      for (Request* request : batch.requests()) request->set_state(RequestState::kDone);
      scheduler->finished(0, batch);
      batch.clear();
    }
    for (auto& request : requests) {  // a new slot, as after an answer
      slots.release(request);
      request = slots.acquire();
    }
  }
  for (auto* request : requests) slots.release(request);
  state.counters["batch"] = static_cast<double>(state.iterations()) / static_cast<double>(batches);
}
BENCHMARK_CAPTURE(scheduler, default, false)->Name("scheduler/default")->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(scheduler, dynamic, true)->Name("scheduler/dynamic")->Arg(1)->Arg(16);

// What the histograms of queue and request time add to a request; aim: 1 % of one through a server.
void histograms(benchmark::State& state) {
  ModelStatistics counts;
  std::uint64_t queued = 1'000;
  for (auto _ : state) {
    queued = queued * 13 % 1'000'003;  // up to a millisecond, another bucket every time
    ++counts.queue_counts[duration_bucket(queued)];
    ++counts.success_counts[duration_bucket(queued + 20'000)];
    benchmark::ClobberMemory();
  }
  benchmark::DoNotOptimize(counts);
}
BENCHMARK(histograms)->Name("histograms/queue_and_request");

// One model on an engine, and the loop that owns its requests, woken as a server's loop is.
class Loop {
 public:
  explicit Loop(bool dynamic) : engine_(EngineOptions{}), ring_(wake_fd_) {
    auto model = engine_.create(std::make_shared<ModelPlan>(identity_plan(dynamic)));
    if (!model.ok()) must(model.status());
    model_ = model.value();
    model_->start(0, make_identity_instance({}));
    engine_.publish("identity", {model_}, {});
  }
  ~Loop() { engine_.retire(model_, INT64_C(1'000'000'000)); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void submit() {
    Request* request = engine_.acquire();
    if (request == nullptr) std::exit(1);
    must(engine_.bind(*request, "identity", -1));
    add_input(*request, engine_.pool());
    request->completion = &ring_;
    must(burst_.submit(*request));
  }
  // Waits for a burst of answers and releases them: how many.
  std::int64_t collect() {
    for (;;) {
      CompletionNode* node = ring_.take_all();
      if (node == nullptr) {
        ring_.arm();  // before the last look: what comes later wakes
        node = ring_.take_all();
      }
      if (node != nullptr) return release(node);
      burst_.flush();  // about to sleep
      pollfd waiting{wake_fd_.fd(), POLLIN, 0};
      (void)poll(&waiting, 1, -1);
      wake_fd_.drain();
    }
  }
  [[nodiscard]] std::uint64_t system_allocs() { return engine_.pool().stats().system_allocs; }
  [[nodiscard]] double executions() const {
    return static_cast<double>(model_->statistics().execution_count);
  }

 private:
  std::int64_t release(CompletionNode* node) {
    std::int64_t count = 0;
    while (node != nullptr) {
      CompletionNode* next = node->next;
      auto* response = static_cast<Response*>(node);
      must(response->status);
      engine_.release(response->request);
      node = next;
      ++count;
    }
    return count;
  }

  Engine engine_;
  WakeFd wake_fd_;
  CompletionRing ring_;
  ModelVersionRef model_;
  SubmitBurst burst_{engine_};
};

// A closed loop: `range` requests in flight, each answer is followed by the next request.
void engine(benchmark::State& state, bool dynamic) {
  Loop loop(dynamic);
  const std::int64_t in_flight = state.range(0);
  for (std::int64_t i = 0; i < in_flight; ++i) loop.submit();
  std::int64_t answered = 0;
  const auto round = [&] {
    const std::int64_t burst = loop.collect();
    for (std::int64_t i = 0; i < burst; ++i) loop.submit();
    answered += burst;
  };
  while (answered < 10'000) round();  // warm: slots, buffers, capacities
  const std::uint64_t allocs = loop.system_allocs();
  const double executions = loop.executions();
  answered = 0;
  // An iteration is one answer, however they arrive.
  for (std::int64_t counted = 0; auto _ : state) {
    if (counted == answered) round();
    ++counted;
  }
  state.counters["batch"] = static_cast<double>(answered) / (loop.executions() - executions);
  state.counters["system_allocs"] = static_cast<double>(loop.system_allocs() - allocs);
  for (std::int64_t left = in_flight; left > 0;) left -= loop.collect();
}
BENCHMARK_CAPTURE(engine, default, false)
    ->Name("engine/default")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(engine, dynamic, true)
    ->Name("engine/dynamic")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace penstock
