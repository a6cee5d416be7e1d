// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/tally.h"

#include <algorithm>

namespace penstock::load {

void Tally::count(Outcome outcome, std::string_view why) {
  ++outcomes[static_cast<std::size_t>(outcome)];
  if (outcome == Outcome::kOk || outcome == Outcome::kCancelled) return;
  if (first_error.empty()) first_error = std::string(name_of(outcome)) + ": " + std::string(why);
  if (outcome == Outcome::kStatus) add_status(why, 1);
}

void Tally::add_status(std::string_view text, std::uint64_t count) {
  auto found = statuses.find(text);
  if (found == statuses.end()) {
    found = statuses.emplace(statuses.size() < kMostStatuses ? text : "others", 0).first;
  }
  found->second += count;
}

void Tally::add(const Tally& other) {
  for (std::size_t i = 0; i < kOutcomes; ++i) outcomes[i] += other.outcomes[i];
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  last_ns = std::max(last_ns, other.last_ns);
  cpu_ns += other.cpu_ns;
  latency.add(other.latency);
  refusal.add(other.refusal);
  delay.add(other.delay);
  if (first_error.empty()) first_error = other.first_error;
  for (const auto& [text, count] : other.statuses) add_status(text, count);
}

std::uint64_t Tally::failed() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 1; i < kOutcomes; ++i) sum += outcomes[i];
  return sum - cancelled();
}

}  // namespace penstock::load
