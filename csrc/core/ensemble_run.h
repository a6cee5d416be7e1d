// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// EnsembleRun: one request on its way through an ensemble's steps.
//
// Its tensors live in flows: one for the request, and one for each response of a decoupled step,
// which sees the tensors of the flow it came from. Thread safety: none, the runner's thread alone.
// Ownership: a run owns its flows, flows the leases of their tensors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/ensemble_graph.h"
#include "core/model_pin.h"
#include "penstock/backend.h"

namespace penstock {

struct EnsembleFlow;
struct EnsembleRun;

struct EnsembleTensor {
  enum class State : std::uint8_t { kPending, kThere, kAbsent };  // S-43: optional, not given
  State state = State::kPending;
  TensorView view;
  BufferLease lease;
};

// S-41: what a step's response may change for the steps behind it.
struct SequenceOverride {
  std::optional<std::uint64_t> id;
  std::optional<std::string> id_string;
  std::optional<bool> start;
  std::optional<bool> end;
};

// A step in execution, and after its end as long as flows hold its responses.
struct EnsembleCall {
  EnsembleFlow* flow = nullptr;
  std::uint32_t step = 0;
  Request* request = nullptr;
  std::uint32_t held = 0;  // responses
  bool ended = false;
};

struct EnsembleFlow {
  EnsembleRun* run = nullptr;
  EnsembleFlow* parent = nullptr;
  std::uint32_t source = EnsembleGraph::kNone;  // the decoupled step it is a response of
  std::vector<EnsembleTensor> tensors;
  std::vector<bool> started;   // of the steps
  SequenceOverride sequence;   // for the steps not yet started
  Response* origin = nullptr;  // held until this flow is done, so that the step waits for us
  EnsembleCall* origin_call = nullptr;
  std::uint32_t busy = 0;  // steps running or waiting for room, flows that came from it
  bool answered = false;

  // The tensor as this flow sees it.
  [[nodiscard]] const EnsembleTensor& find(std::uint32_t tensor) const {
    const EnsembleFlow* flow = this;
    while (flow->tensors[tensor].state == EnsembleTensor::State::kPending && flow->parent) {
      flow = flow->parent;
    }
    return flow->tensors[tensor];
  }
  [[nodiscard]] bool within(const EnsembleFlow& other) const {
    for (const EnsembleFlow* flow = this; flow != nullptr; flow = flow->parent) {
      if (flow == &other) return true;
    }
    return false;
  }
};

struct EnsembleRun {
  Responder responder;
  EnsembleGraph::Needs needs;
  std::vector<ModelPin> pins;                        // of the steps that it needs (S-48)
  std::vector<std::unique_ptr<EnsembleFlow>> flows;  // the first one is the request's
  std::vector<EnsembleCall*> calls;                  // in execution
  std::uint32_t waiting = 0;                         // steps and responses that wait for room
  std::array<std::uint64_t, 3> compute_ns{};         // S-49: sums over steps: input, infer, output
  Status error;                                      // the first one

  [[nodiscard]] EnsembleFlow& root() { return *flows.front(); }
};

}  // namespace penstock
