// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The messages of a call of a model by a model (model_calls.h): a ModelInferRequest written, a
// ModelInferResponse read.
//
// Thread safety: pure functions. Ownership: all names and tensors are borrowed, those that are read
// from the message, where they lie at any address: aligned for nothing. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "penstock/codec.h"
#include "penstock/request.h"
#include "penstock/status.h"
#include "penstock/tensor.h"
#include "penstock/trace.h"

namespace penstock {

struct CallTensor {
  std::string_view name;
  TensorView view;  // on the host
};

struct CallRequest {
  std::string_view model;
  std::int64_t version = -1;  // negative: the one that the model's policy says
  std::string_view id;
  std::vector<Parameter> parameters;
  std::vector<CallTensor> inputs;
  std::vector<std::string_view> outputs;  // empty: all of the model's
  TraceLink trace;                        // beside the message: no other server's business
};

struct CallResponse {
  std::vector<Parameter> parameters;
  std::vector<CallTensor> outputs;  // sizes fit the shapes, but those of strings
};

// INVALID_ARG when it is too long for a message.
[[nodiscard]] Status write_call(const CallRequest& request, std::vector<std::byte>& message);
// INVALID_ARG when it is none. An empty message is a response without outputs.
[[nodiscard]] Status read_answer(ByteSpan message, CallResponse& response);

}  // namespace penstock
