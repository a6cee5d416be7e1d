// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// duration_bucket: which of DurationCounts a duration belongs to.
//
// A duration's highest bit leaves two or three candidates, so that a look into a table and a
// comparison or two find the bucket. Pure; thread safe; nothing blocks.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "penstock/statistics.h"

namespace penstock {

// By bit width of a duration: the first bucket that one so long can fall into.
inline constexpr auto kFirstBucketOfWidth = [] {
  std::array<std::uint8_t, 65> first{};
  for (std::size_t width = 1; width < first.size(); ++width) {
    const std::uint64_t shortest = std::uint64_t{1} << (width - 1);
    while (first[width] < kDurationBoundsNs.size() &&
           static_cast<std::uint64_t>(kDurationBoundsNs[first[width]]) < shortest) {
      ++first[width];
    }
  }
  return first;
}();

[[nodiscard]] inline std::size_t duration_bucket(std::uint64_t ns) {
  std::size_t bucket = kFirstBucketOfWidth[static_cast<std::size_t>(std::bit_width(ns))];
  while (bucket < kDurationBoundsNs.size() &&
         ns > static_cast<std::uint64_t>(kDurationBoundsNs[bucket])) {
    ++bucket;
  }
  return bucket;
}

}  // namespace penstock
