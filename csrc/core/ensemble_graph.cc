// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/ensemble_graph.h"

namespace penstock {

EnsembleGraph::EnsembleGraph(const ModelPlan& plan)
    : plan_(plan),
      producers_(plan.ensemble.tensors.size(), kNone),
      consumers_(plan.ensemble.tensors.size()),
      sources_(plan.ensemble.steps.size(), kNone) {
  for (std::uint32_t i = 0; i < plan.ensemble.steps.size(); ++i) {
    for (const auto& input : plan.ensemble.steps[i].inputs) {
      consumers_[input.ensemble].push_back(i);
    }
    for (const auto& output : plan.ensemble.steps[i].outputs) producers_[output.ensemble] = i;
  }
  find_sources();
}

std::uint32_t EnsembleGraph::source_of_tensor(std::uint32_t tensor) const {
  const std::uint32_t producer = producers_[tensor];
  if (producer == kNone) return kNone;
  return plan_.ensemble.steps[producer].decoupled ? producer : sources_[producer];
}

bool EnsembleGraph::contains(std::uint32_t outer, std::uint32_t inner) const {
  for (; inner != kNone; inner = sources_[inner]) {
    if (inner == outer) return true;
  }
  return outer == kNone;
}

// Sources only move inwards and the graph has no cycle, so as many rounds as steps are enough.
void EnsembleGraph::find_sources() {
  const auto& steps = plan_.ensemble.steps;
  for (std::size_t round = 0; round < steps.size(); ++round) {
    for (std::uint32_t i = 0; i < steps.size(); ++i) {
      for (const auto& input : steps[i].inputs) {
        const std::uint32_t source = source_of_tensor(input.ensemble);
        if (source != sources_[i] && contains(sources_[i], source)) sources_[i] = source;
      }
    }
  }
}

EnsembleGraph::Needs EnsembleGraph::needs(const Request& request) const {
  Needs needs;
  needs.steps.assign(plan_.ensemble.steps.size(), false);
  std::vector<std::uint32_t> open;
  for (std::uint32_t i = 0; i < plan_.outputs.size(); ++i) {
    if (!request.wants_output(i)) continue;
    const std::uint32_t tensor = tensor_of_output(i);
    needs.outputs.push_back(tensor);
    const std::uint32_t source = source_of_tensor(tensor);
    if (contains(needs.source, source)) needs.source = source;
    open.push_back(tensor);
  }
  while (!open.empty()) {
    const std::uint32_t step = producers_[open.back()];
    open.pop_back();
    if (step == kNone || needs.steps[step]) continue;
    needs.steps[step] = true;
    for (const auto& input : plan_.ensemble.steps[step].inputs) open.push_back(input.ensemble);
  }
  return needs;
}

}  // namespace penstock
