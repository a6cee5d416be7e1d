// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/tally.h"

#include <algorithm>

namespace penstock::load {

void Tally::add(const Tally& other) {
  for (std::size_t i = 0; i < kOutcomes; ++i) outcomes[i] += other.outcomes[i];
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  last_ns = std::max(last_ns, other.last_ns);
  cpu_ns += other.cpu_ns;
  latency.add(other.latency);
  delay.add(other.delay);
  if (first_error.empty()) first_error = other.first_error;
}

std::uint64_t Tally::failed() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 1; i < kOutcomes; ++i) sum += outcomes[i];
  return sum;
}

}  // namespace penstock::load
