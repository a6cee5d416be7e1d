// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Engine: the facade that wires the rooms: request slots, the table of models, schedulers,
// instances, statistics.
//
// Thread safety: every method may be called from any thread, except that a Request is filled,
// submitted and released by its one owner. submit() never blocks; next() blocks until there is a
// batch; retire() blocks until the model's last request is answered. Ownership: the engine owns the
// slots and keeps a ModelVersion's heavy part alive while a request has it pinned.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/backend.h"
#include "penstock/buffer.h"
#include "penstock/clock.h"
#include "penstock/cuda.h"
#include "penstock/notices.h"
#include "penstock/plan.h"
#include "penstock/redis.h"
#include "penstock/request.h"
#include "penstock/shared_regions.h"
#include "penstock/statistics.h"
#include "penstock/status.h"
#include "penstock/tracer.h"

namespace penstock {

class ModelPin;

struct WarmUpInput {
  std::string name;
  TensorView view;  // batch dimension included
  BufferLease lease;
};

class ModelVersion {
 public:
  virtual ~ModelVersion() = default;
  [[nodiscard]] virtual const ModelPlan& plan() const = 0;
  [[nodiscard]] virtual ModelStatistics statistics() const = 0;
  // What the plan keeps summaries of, at these quantiles (0 to 1); empty when it keeps none.
  [[nodiscard]] virtual LatencySummary summary(Latency latency,
                                               std::span<const double> quantiles) const = 0;
  // Waits for the next batch of instance `index`; false once the version is stopped. The batch
  // must be empty.
  [[nodiscard]] virtual bool next(std::uint32_t index, Batch& batch) = 0;
  // Answers every request of the batch, counts it, and empties it.
  virtual void complete(std::uint32_t index, Batch& batch) = 0;
  // Runs `instance` as instance `index` on a thread of its own until the version is stopped.
  virtual void start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) = 0;
  // 2.10: has instance `index` execute requests with these inputs as one batch, and waits for it.
  // They are neither scheduled nor counted. Of a plan with warm_up, before the version is
  // published; one call an instance at a time. The first failure, UNAVAILABLE when it is too late.
  [[nodiscard]] virtual Status warm_up(std::uint32_t index,
                                       std::span<const std::vector<WarmUpInput>> requests) = 0;
  // indexes below this may be started, also while others serve. Sequences, and what the rate
  // limiter counts, are bound to their instance: of such a plan there are no more than it says.
  [[nodiscard]] virtual std::uint32_t instance_limit() const = 0;
  // instance `index` ends: its next() returns false after the batch that it may have. Waits
  // for the thread of a native instance. UNSUPPORTED where none may be added.
  [[nodiscard]] virtual Status end_instance(std::uint32_t index) = 0;
  // UNAVAILABLE, and why, while no instance can answer: the GPUs of all are lost, or the processes.
  [[nodiscard]] virtual Status health() const = 0;
  // Says so of instances that the engine does not know enough of; empty: they can. Requests go on
  // waiting for them.
  virtual void set_problem(std::string problem) = 0;
};
using ModelVersionRef = std::shared_ptr<ModelVersion>;

struct EngineOptions {
  std::uint32_t max_requests = 65536;   // slots; none left: UNAVAILABLE
  std::uint32_t max_responses = 65536;  // of decoupled models, not yet sent
  BufferPoolOptions pool;
  // Of the response cache, in the server's memory; 0: it is in a Redis, if anywhere.
  std::size_t cache_bytes = 0;
  std::optional<RedisOptions> redis = {};
  bool pinned = false;  // page-locked pool when a CUDA runtime is there
  // 4.5: whether plans' instance limits hold, and how much there is of which resource; of the
  // others there is what the most demanding instance needs.
  bool rate_limited = false;
  std::vector<ResourceCount> resources{};
  bool devices = false;  // what is done with GPUs is done when a CUDA runtime is there
  std::vector<std::string> cuda_libraries;  // where to look for it; none: the usual names
  // Idle bytes that the pool of a GPU's memory keeps, where it is not DevicePools::kDefaultBytes.
  std::map<std::int32_t, std::uint64_t> device_pool_bytes;
  // Of the whole process: threads that answer requests in microseconds may go before all others on
  // their cores, where the system permits it, while they leave room (sync/short_work.h).
  bool short_work_first = false;
  const Clock* clock = nullptr;          // null: RealClock
  std::shared_ptr<Allocator> allocator;  // of the pool; null: page or pinned memory
};

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ---- models (control plane) ----
  [[nodiscard]] Result<ModelVersionRef> create(std::shared_ptr<const ModelPlan> plan);
  // What a name stands for from now on, switched at once for all versions: ready ones and the
  // numbers of those that are known but not ready. Versions that were served and are not listed any
  // more go on until their last request; retire() them.
  // `on_demand`: while none is ready, requests may wait for one; see await_model().
  void publish(const std::string& name, std::vector<ModelVersionRef> ready,
               std::vector<std::int64_t> not_ready, bool on_demand = false);
  // Requests by this name are answered with `status`, until it is published or forgotten.
  void refuse(const std::string& name, Status status);
  // The name becomes one that was never known.
  void forget(const std::string& name);
  // Stops a version that is no longer published: waits until its requests are answered (or, after
  // `timeout_ns` on the real clock, refuses what is still queued) and its threads have ended.
  void retire(const ModelVersionRef& model, std::int64_t timeout_ns);
  // From now on every submit is refused with the contract's S-STOP text.
  void stop_accepting();
  [[nodiscard]] std::uint64_t in_flight() const;

  // ---- requests (data plane) ----
  // A slot in state Filling; nullptr when all are taken.
  [[nodiscard]] Request* acquire();
  // Pins the model. version < 0: the latest ready one. Errors: H-23.
  [[nodiscard]] Status bind(Request& request, std::string_view name, std::int64_t version);
  // As bind(), for requests to come that are to have the same version (S-48).
  [[nodiscard]] Result<ModelPin> pin(std::string_view name, std::int64_t version);
  // A request that bind() refused waits for its model, if that is loaded when somebody asks for it,
  // and comes back by its completion ring: with an OK status when bind() is to be tried again, by a
  // new request. Else bind()'s error, or why it cannot wait; the caller still owns it then.
  [[nodiscard]] Status await_model(Request& request, std::string_view name, std::int64_t version);
  // Validates and queues. On error the caller still owns the request.
  [[nodiscard]] Status submit(Request& request);
  void release(Request* request);
  // A response that was not the final one; before its request is released.
  void release(Response* response);
  // Marks it; answered at the next stage it reaches. False: stale.
  bool cancel(RequestHandle handle);

  // Is this name (and version, < 0: any) served now? Same errors as bind.
  [[nodiscard]] Result<ModelVersionRef> find(std::string_view name, std::int64_t version) const;

  // The models that requests have begun to wait for since the last call, and a descriptor that is
  // readable while there are some.
  [[nodiscard]] std::vector<std::string> take_wanted_models();
  [[nodiscard]] int wanted_models_fd() const;

  [[nodiscard]] Tracer& tracer();
  [[nodiscard]] BufferPool& pool();
  // Nothing: there is no cache outside the server.
  [[nodiscard]] std::optional<RemoteCacheState> remote_cache_state() const;
  // What the log should say.
  [[nodiscard]] Notices& notices();
  // "page", or "pinned", or "page (why not pinned)".
  [[nodiscard]] const std::string& memory_report() const;
  // Null: there is no CUDA, and the memory report says why.
  [[nodiscard]] DevicePools* devices();
  // Clients' memory; empty until somebody adds to it.
  [[nodiscard]] SharedRegions& regions();
  [[nodiscard]] const Clock& clock() const;

 private:
  friend class SubmitBurst;
  // submit() that wakes no instance.
  [[nodiscard]] Status queue(Request& request);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The requests that a loop submits in one round. A wake-up costs more than a request, so instances
// are woken once a model, by flush(), when the loop is about to sleep. Thread safety: one thread's.
// Ownership: keeps the models it owes a wake-up.
class SubmitBurst {
 public:
  explicit SubmitBurst(Engine& engine) : engine_(engine) {}
  ~SubmitBurst() { flush(); }
  SubmitBurst(const SubmitBurst&) = delete;
  SubmitBurst& operator=(const SubmitBurst&) = delete;
  // As Engine::submit().
  [[nodiscard]] Status submit(Request& request);
  void flush();

 private:
  Engine& engine_;
  std::vector<ModelVersionRef> owed_;
};

}  // namespace penstock
