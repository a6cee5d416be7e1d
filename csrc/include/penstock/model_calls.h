// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelCalls: models that call models (BLS, contract 5.1), as messages of the gRPC protocol.
//
// A caller is one instance of a model, in this process or another. Its calls are requests like any
// client's; their answers come to it on one thread, which starts with the first call, at most
// kWindow of a call before it says that it wants more(). Who waits for whom is known: a call whose
// caller would wait for itself, through however many models, is refused. Thread safety: all
// methods, any thread. Ownership: the engine must outlive it; callers are kept while their calls
// are open. Nothing blocks, but the destructor, which waits for the answers of all calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "penstock/codec.h"
#include "penstock/engine.h"
#include "penstock/plan.h"
#include "penstock/status.h"
#include "penstock/trace.h"

namespace penstock {

// One answer, or the end of a call.
struct CallAnswer {
  std::uint64_t id = 0;
  Status status;
  Reply* reply = nullptr;  // a ModelInferResponse; null: an error, or a bare end
  bool final = true;
};

class ModelCaller {
 public:
  // `plan`: whose instance it is; null: nobody waits for it.
  explicit ModelCaller(std::shared_ptr<const ModelPlan> plan) : plan_(std::move(plan)) {}
  virtual ~ModelCaller() = default;
  // On the thread of ModelCalls. Must not block, nor call it back.
  virtual void answered(const CallAnswer& answer) = 0;
  [[nodiscard]] const ModelPlan* plan() const { return plan_.get(); }

 private:
  const std::shared_ptr<const ModelPlan> plan_;
};

struct ModelCall {
  std::uint64_t id = 0;            // the caller's own, one of no other open call
  bool many = false;               // any number of answers
  bool blocking = true;            // the instance does nothing else until it is answered
  std::vector<std::byte> message;  // a ModelInferRequest
  TraceLink trace;                 // of what it is part of
};

class ModelCalls {
 public:
  // Answers of a call that may be on their way to its caller; more() asks for kMore others.
  static constexpr std::uint32_t kWindow = 4;
  static constexpr std::uint32_t kMore = 2;
  // Open at a time, of one caller.
  static constexpr std::size_t kMaxOpen = 128;

  explicit ModelCalls(Engine& engine);
  ~ModelCalls();
  ModelCalls(const ModelCalls&) = delete;
  ModelCalls& operator=(const ModelCalls&) = delete;
  // On an error there will be no answer.
  [[nodiscard]] Status begin(const std::shared_ptr<ModelCaller>& caller, ModelCall call);
  void more(const ModelCaller& caller, std::uint64_t id);
  // What was begun is answered CANCELLED, unless it was answered already.
  void cancel(const ModelCaller& caller, std::uint64_t id);
  // The caller is gone: its calls are cancelled, and nobody is told.
  void forget(const ModelCaller& caller);
  [[nodiscard]] std::size_t open() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---- what a model has of it, in the server or in a worker process ----

struct CallReply {
  Status status;
  std::vector<std::byte> message;  // a ModelInferResponse; empty: an error, or a bare end
  bool final = true;
};

// One call. Dropped before its end, it is cancelled.
class OutgoingCall {
 public:
  virtual ~OutgoingCall() = default;
  // Waits for the next answer; false: the final one was given. One thread at a time.
  [[nodiscard]] virtual bool next(CallReply& reply) = 0;
  virtual void cancel() = 0;
};

class CallPort {
 public:
  virtual ~CallPort() = default;
  // The port numbers its calls. What is refused may be an answer, too.
  [[nodiscard]] virtual Result<std::shared_ptr<OutgoingCall>> begin(ModelCall call) = 0;
};

// Of a model that runs in the server; `plan` as ModelCaller's.
[[nodiscard]] std::shared_ptr<CallPort> local_calls(std::shared_ptr<ModelCalls> calls,
                                                    std::shared_ptr<const ModelPlan> plan);

}  // namespace penstock
