// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/latency_summaries.h"

#include <algorithm>

namespace penstock {

void LatencySummaries::observe(Latency latency, std::uint64_t ns, std::int64_t now_ns) {
  const std::int64_t number = now_ns / kPartNs;
  Part& part =
      windows_[static_cast<std::size_t>(latency)].parts[static_cast<std::size_t>(number) % kParts];
  if (part.number != number) {
    part.number = number;
    part.sketch.clear();
  }
  // An hour and more is all the same.
  part.sketch.observe(static_cast<std::uint32_t>(std::min<std::uint64_t>(ns / 1000, UINT32_MAX)));
}

void LatencySummaries::add_to(Latency latency, std::int64_t now_ns,
                              std::vector<WeightedValue>& values) const {
  const std::int64_t oldest = now_ns / kPartNs - static_cast<std::int64_t>(kParts) + 1;
  for (const Part& part : windows_[static_cast<std::size_t>(latency)].parts) {
    if (part.number >= oldest) part.sketch.add_to(values);
  }
}

}  // namespace penstock
