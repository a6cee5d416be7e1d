// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// EnsembleGraph: what follows from an ensemble's steps alone (contract 2.9, S-40, S-45).
//
// A step that is fed, directly or not, by a decoupled step runs once for each of its responses:
// that step is its source. Thread safety: immutable. Ownership: borrows the plan.
#pragma once

#include <cstdint>
#include <vector>

#include "penstock/plan.h"
#include "penstock/request.h"

namespace penstock {

class EnsembleGraph {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  explicit EnsembleGraph(const ModelPlan& plan);

  // The decoupled step whose responses it runs for; kNone: it runs once a request.
  [[nodiscard]] std::uint32_t source_of_step(std::uint32_t step) const { return sources_[step]; }
  // The steps that a request needs for its outputs, and what its responses wait for.
  struct Needs {
    std::vector<bool> steps;
    std::vector<std::uint32_t> outputs;  // ensemble tensors that a response consists of
    std::uint32_t source = kNone;        // one response for each of this step's
  };
  [[nodiscard]] Needs needs(const Request& request) const;
  // Steps that take the tensor.
  [[nodiscard]] const std::vector<std::uint32_t>& consumers(std::uint32_t tensor) const {
    return consumers_[tensor];
  }
  // The tensor's number as an output of the ensemble, and the other way round.
  [[nodiscard]] std::uint32_t tensor_of_output(std::uint32_t output) const {
    return static_cast<std::uint32_t>(plan_.inputs.size()) + output;
  }

 private:
  void find_sources();
  [[nodiscard]] std::uint32_t source_of_tensor(std::uint32_t tensor) const;
  // Whether what runs for `outer` runs less often than what runs for `inner`.
  [[nodiscard]] bool contains(std::uint32_t outer, std::uint32_t inner) const;

  const ModelPlan& plan_;
  std::vector<std::uint32_t> producers_;  // of each tensor; kNone: the client
  std::vector<std::vector<std::uint32_t>> consumers_;
  std::vector<std::uint32_t> sources_;  // of each step
};

}  // namespace penstock
