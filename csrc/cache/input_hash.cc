// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/input_hash.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <string>

namespace penstock {

InputHash::InputHash(const ModelPlan& plan) : plan_(plan), by_name_(plan.client_inputs()) {
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return plan.inputs[a].name < plan.inputs[b].name;
  });
}

std::optional<std::uint64_t> InputHash::operator()(const ContentHash& hash, std::uint64_t before,
                                                   const Request& request) const {
  for (const std::uint32_t spec : by_name_) {
    const InputTensor* input = request.find_input(spec);
    if (input == nullptr) continue;  // optional
    if (input->view.memory == MemoryKind::kGpu) return std::nullopt;
    const auto name = std::as_bytes(std::span(plan_.inputs[spec].name));
    before = hash(before, name.data(), name.size());
    before = hash(before, input->view.data, input->view.size_bytes);
  }
  return before;
}

}  // namespace penstock
