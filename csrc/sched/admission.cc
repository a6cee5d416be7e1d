// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/admission.h"

#include <algorithm>

namespace penstock {

std::int64_t expected_wait_ns(const WorkAhead& work) {
  constexpr std::int64_t kMostNs = INT64_MAX / 4;
  const std::uint64_t rounds = work.requests / work.per_batch / work.instances;
  const auto most_rounds =
      static_cast<std::uint64_t>(kMostNs / std::max<std::int64_t>(work.service_ns, 1));
  if (rounds >= most_rounds) return kMostNs;
  const std::int64_t running_ns = work.idle_instance ? 0 : work.service_ns / 2;
  return static_cast<std::int64_t>(rounds) * work.service_ns + running_ns;
}

std::int64_t late_by_ns(const WorkAhead& work, std::int64_t left_ns) {
  const std::int64_t wait_ns = expected_wait_ns(work);
  if (wait_ns == 0) return 0;
  return std::max<std::int64_t>(wait_ns + work.service_ns - left_ns, 0);
}

}  // namespace penstock
