// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelCache: how one loaded model version uses the response cache: the key of a request, an answer
// made of what is cached, an entry made of an answer (contract 4.6).
//
// The key knows the inputs' names and bytes, and nothing else: no shapes, parameters or requested
// outputs. An entry that lacks an output which a request wants is a miss, and replaced.
// Thread safety: all methods, any thread. Ownership: borrows cache and plan, which outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cache/content_hash.h"
#include "cache/response_cache.h"
#include "penstock/plan.h"

namespace penstock {

class ModelCache {
 public:
  ModelCache(ResponseCache& cache, const ModelPlan& plan);
  // Of the request's inputs; nothing when one is not in host memory.
  [[nodiscard]] std::optional<std::uint64_t> hash(const Request& request) const;
  // Gives the response what its request wants, without copying it; false: a miss.
  [[nodiscard]] bool answer(std::uint64_t hash, Request& request) const;
  // Copies the successful answer; false: there is no room for it, or it is not in host memory.
  bool store(std::uint64_t hash, const Request& request) const;

 private:
  ResponseCache& cache_;
  const ModelPlan& plan_;
  const std::uint64_t number_;
  const ContentHash hash_;
  std::vector<std::uint32_t> by_name_;  // inputs
};

}  // namespace penstock
