// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say about calls of models: Results, and bytes. See shim.h.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "penstock/model_calls.h"
#include "shim.h"

namespace penstock::binding {

inline std::shared_ptr<ModelCalls> make_calls(Engine& engine) {
  return std::make_shared<ModelCalls>(engine);
}

inline Status begin_call(CallPort& port, const char* data, std::size_t size, bool many,
                         bool blocking, std::shared_ptr<OutgoingCall>& out) {
  ModelCall call{0, many, blocking, {}};
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  call.message.assign(bytes, bytes + size);
  return take(port.begin(std::move(call)), out);
}

// 0: there is none; 1: others follow; 2: the final one.
inline int next_reply(OutgoingCall& call, Status& status, std::string& message) {
  CallReply reply;
  if (!call.next(reply)) return 0;
  status = std::move(reply.status);
  message.assign(reinterpret_cast<const char*>(reply.message.data()), reply.message.size());
  return reply.final ? 2 : 1;
}

inline std::shared_ptr<const ModelPlan> plan_of(const std::shared_ptr<ModelPlan>& plan) {
  return plan;
}

}  // namespace penstock::binding
