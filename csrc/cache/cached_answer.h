// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// CachedAnswer: the answer to some request, and what it answers.
//
// Thread safety: immutable once made. Ownership: an answer owns its bytes and is shared. Nothing
// blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "penstock/request.h"

namespace penstock {

struct CachedAnswer {
  std::vector<OutputTensor> outputs;  // all leases are of the same block
  // Which outputs the request had asked for; empty: all there are.
  std::vector<std::uint32_t> asked;
  std::size_t size_bytes = 0;  // everything
};

// Where an answer's tensors lie: each begins aligned. Empty when there is no memory.
[[nodiscard]] BufferLease allocate_answer(std::size_t size_bytes);
[[nodiscard]] std::size_t aligned_in_answer(std::size_t size_bytes);
// Whether an answer can be made of the response.
[[nodiscard]] bool in_host_memory(const Response& response);
// Gives the response what its request wants, without copying it. False, and nothing is given: the
// answer lacks something.
[[nodiscard]] bool give_answer(const CachedAnswer& answer, Request& request);

}  // namespace penstock
