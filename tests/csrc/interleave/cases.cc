// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "interleave/cases.h"

namespace penstock::interleave {

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& cases : {mpmc_ring_cases(), tagged_stack_cases(), completion_ring_cases(),
                            parker_cases(), slot_pool_cases(), count_cases(), strand_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace penstock::interleave
