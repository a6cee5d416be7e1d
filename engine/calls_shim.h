// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say about calls of models: Results, and messages. See shim.h.
#pragma once

#include <memory>
#include <utility>

#include "penstock/call_message.h"
#include "penstock/model_calls.h"
#include "shim.h"

namespace penstock::binding {

inline std::shared_ptr<ModelCalls> make_calls(Engine& engine) {
  return std::make_shared<ModelCalls>(engine);
}

inline Status begin_call(CallPort& port, const CallRequest& request, bool many, bool blocking,
                         std::shared_ptr<OutgoingCall>& out) {
  ModelCall call{0, many, blocking, {}, request.trace};
  PENSTOCK_RETURN_IF_ERROR(write_call(request, call.message));
  return take(port.begin(std::move(call)), out);
}

// False: there is none. `response` borrows from the reply; of a failed one it is empty.
inline bool next_answer(OutgoingCall& call, CallReply& reply, CallResponse& response) {
  if (!call.next(reply)) return false;
  if (reply.status.ok()) reply.status = read_answer(reply.message, response);
  return true;
}

inline std::shared_ptr<const ModelPlan> plan_of(const std::shared_ptr<ModelPlan>& plan) {
  return plan;
}

}  // namespace penstock::binding
