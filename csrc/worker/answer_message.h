// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Answers on their way back: MessageKind::kAnswers of a batch, kResponse of a decoupled request
// (docs/workers.md has the fields).
//
// The worker's outputs stay in its blocks, each lent for itself; the server's views point into them
// until the response has left. What the server reads here was written by a process that may do
// anything: each place is checked, strings are copied before their lengths are looked at. Thread
// safety: one thread's. Ownership: by leases. Nothing blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "penstock/backend.h"
#include "worker/channel.h"
#include "worker/message_bytes.h"

namespace penstock::worker {

// ---- by the worker ----

// Puts status, parameters and outputs of a response. An output for which there is no memory makes
// it an UNAVAILABLE one.
void write_response(Channel& channel, const ModelPlan& plan, const Response& response,
                    MessageWriter& to);

// ---- by the server ----

struct AnsweredOutput {
  std::uint32_t spec = 0;
  TensorView view;
  BufferLease lease;
};

// What follows in kAnswers for a row.
enum class RowAnswer : std::uint8_t {
  kResponse,
  kAgain,  // nothing: it is to be executed again
  kLate,   // nothing: it comes as a kResponse
};

// One response, checked against its memory but not against the plan's shapes.
struct Answer {
  Status status;
  bool answered = false;
  Recycled<Parameter> parameters;
  std::vector<AnsweredOutput> outputs;
};

// Reads what write_response() put; `reader` fails for what cannot be. Strings, and the states of
// sequences, are copied to memory of `batch`'s or `pool`'s.
void read_response(const Channel& channel, const ModelPlan& plan, BufferPool& pool,
                   MessageReader& reader, Answer& answer);

}  // namespace penstock::worker
