// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The scenarios of every lock-free piece of csrc, small enough to be explored whole.
//
// Thread safety: none.
#pragma once

#include <vector>

#include "interleave/explorer.h"

namespace penstock::interleave {

std::vector<Case> mpmc_ring_cases();
std::vector<Case> tagged_stack_cases();
std::vector<Case> completion_ring_cases();
std::vector<Case> parker_cases();
std::vector<Case> slot_pool_cases();
std::vector<Case> count_cases();
std::vector<Case> strand_cases();
std::vector<Case> all_cases();

}  // namespace penstock::interleave
