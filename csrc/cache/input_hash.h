// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// InputHash: a request's inputs as a number: their names and bytes, in the order of their names,
// and nothing else: no shapes, parameters or requested outputs (contract 4.6, X-44).
//
// Thread safety: immutable. Ownership: borrows the plan. Nothing blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cache/content_hash.h"
#include "penstock/plan.h"
#include "penstock/request.h"

namespace penstock {

class InputHash {
 public:
  explicit InputHash(const ModelPlan& plan);
  // Continuing from `before`; nothing when an input is not in host memory.
  [[nodiscard]] std::optional<std::uint64_t> operator()(const ContentHash& hash,
                                                        std::uint64_t before,
                                                        const Request& request) const;

 private:
  const ModelPlan& plan_;
  std::vector<std::uint32_t> by_name_;  // inputs
};

}  // namespace penstock
