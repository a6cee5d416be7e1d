// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Workers: instances of a model that run in a process of their own, and both ends of what lies
// between (docs/workers.md).
//
// In the server, a WorkerLink stands for one instance. Whoever supervises processes makes a
// WorkerConnection for each that is started (its memory is the process's alone), says when it
// serves and when it was lost; the engine runs the link's NativeInstance. In the worker, a
// ModelVersion gives the batches that the server has sent. Thread safety: all methods, any thread;
// a ModelVersion's as engine.h says. Ownership: shared; the last user of a connection's memory,
// which may be a response on its way, unmaps it. Nothing blocks but execute(), wait_ready() and
// next().
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "penstock/backend.h"
#include "penstock/engine.h"
#include "penstock/model_calls.h"
#include "penstock/plan.h"
#include "penstock/status.h"

namespace penstock {

struct WorkerOptions {
  std::string name;  // the instance's, for messages
  // Of each direction: pages that stay, pages that are asked for at a time, and the bound.
  std::size_t initial_bytes = std::size_t{1} << 20;
  std::size_t growth_bytes = std::size_t{1} << 20;
  std::size_t max_bytes = std::size_t{1} << 30;
  std::int64_t execute_timeout_ns = 0;  // 0: none; past it the process is killed
  bool idempotent = false;  // a batch that its process did not survive is tried once more
};

// One process's share of a link.
class WorkerConnection {
 public:
  virtual ~WorkerConnection() = default;
  // The memory to hand to the process; the connection's.
  [[nodiscard]] virtual int fd() const = 0;
  // The process has ended, and why. What it had is answered UNAVAILABLE or tried again.
  virtual void lost(std::string why) = 0;
  // No batch follows those it has; the process ends when it has answered.
  virtual void close() = 0;
  // Requests that the process has not answered.
  [[nodiscard]] virtual std::uint64_t in_flight() const = 0;
  // Batches that it has answered.
  [[nodiscard]] virtual std::uint64_t answered() const = 0;
};

class WorkerLink {
 public:
  // `calls`: whom its model's calls of other models go to; null: they are refused.
  [[nodiscard]] static std::shared_ptr<WorkerLink> make(std::shared_ptr<const ModelPlan> plan,
                                                        BufferPool& pool, WorkerOptions options,
                                                        std::shared_ptr<ModelCalls> calls = {});
  virtual ~WorkerLink() = default;
  // For a process that is about to be started. UNAVAILABLE when there is no memory.
  [[nodiscard]] virtual Result<std::shared_ptr<WorkerConnection>> connect() = 0;
  // Batches go to this process from now on, and no more to the one before it, which is closed.
  // `pidfd`: to kill it with; it stays the caller's, until lost().
  virtual void serve(const std::shared_ptr<WorkerConnection>& connection, int pidfd) = 0;
  // There will be no process: batches are answered UNAVAILABLE, with the reason. Ends with serve().
  virtual void refuse(std::string why) = 0;
  // The engine has let go of the instance: no batch will come, the last process ends by itself.
  [[nodiscard]] virtual bool ended() const = 0;
  // The instance that the engine runs; once.
  [[nodiscard]] virtual std::unique_ptr<NativeInstance> instance() = 0;
};

// ---- in the worker ----

// The server's end, behind the descriptor that was handed over, which is taken over. The engine's
// pool makes blocks that the server can read: give it to the objects of the model's outputs.
struct WorkerEnd {
  std::shared_ptr<Engine> engine;
  ModelVersionRef model;
  std::shared_ptr<CallPort> calls;
};
[[nodiscard]] Result<WorkerEnd> attach_worker(int fd, std::shared_ptr<const ModelPlan> plan,
                                              const WorkerOptions& options);

}  // namespace penstock
