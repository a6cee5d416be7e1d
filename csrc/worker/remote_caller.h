// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RemoteCalls: the calls of other models that a worker process makes, in the server: kCall,
// kCallMore and kCallCancel become calls of ModelCalls, answers become kCallAnswer.
//
// The process cannot have more answers in its ring than it has windows for (model_calls.h), so
// that there is always room. Thread safety: take() one thread's, stop() any thread. Ownership: of
// the calls, which end with it; the channel is the connection's, and outlives stop(). Nothing
// blocks.
#pragma once

#include <memory>

#include "penstock/model_calls.h"
#include "penstock/plan.h"
#include "worker/channel.h"

namespace penstock::worker {

class RemoteCaller;

class RemoteCalls {
 public:
  RemoteCalls(std::shared_ptr<ModelCalls> calls, std::shared_ptr<const ModelPlan> plan,
              Channel& channel);
  ~RemoteCalls();
  // Takes the bytes out of the message; false: it is none of a call.
  [[nodiscard]] bool take(Message& message);
  // The process is gone: what it has called is cancelled.
  void stop();

 private:
  void begin(Message& message);

  const std::shared_ptr<ModelCalls> calls_;
  const std::shared_ptr<RemoteCaller> caller_;
};

// A kCall is a ModelInferRequest and then this; a kCallAnswer the error's text or the
// ModelInferResponse, and then CallAnswerTail. At the end, so that the rest needs no copy.
struct CallTail {
  TraceLink trace;
  std::uint64_t many = 0;  // not less: without holes
  std::uint64_t blocking = 0;
};
struct CallAnswerTail {
  std::uint8_t final = 0;
  std::uint8_t code = 0;  // + 1; 0: a success
};

}  // namespace penstock::worker
