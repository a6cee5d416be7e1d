// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Tally: what came of a thread's requests.
//
// Thread safety: none; each thread has its own, and add() joins them afterwards. Nothing blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "load/histogram.h"

namespace penstock::load {

enum class Outcome : std::uint8_t {
  kOk,
  kConnect,    // no connection could be made
  kClosed,     // the connection or stream ended before the reply did
  kMalformed,  // the reply breaks its protocol
  kStatus,     // the reply says that the request failed
  kWrong,      // the reply is not the expected one
  kTimeout,    // no reply in time, or no free stream in time to send it
  kUnsent,     // due before the end of the run, and no stream was free until then
};
inline constexpr std::size_t kOutcomes = 8;

constexpr const char* name_of(Outcome outcome) {
  constexpr const char* kNames[kOutcomes] = {"ok",     "connect", "closed",  "malformed",
                                             "status", "wrong",   "timeout", "unsent"};
  return kNames[static_cast<std::size_t>(outcome)];
}

struct Tally {
  std::array<std::uint64_t, kOutcomes> outcomes{};
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::int64_t last_ns = 0;  // when the last counted request ended
  std::int64_t cpu_ns = 0;   // this program's own
  Histogram latency;         // of those that are ok, from when each was due
  Histogram delay;           // from when it was due until it was sent: the client's own lateness
  std::string first_error;

  void count(Outcome outcome, std::string_view why) {
    ++outcomes[static_cast<std::size_t>(outcome)];
    if (outcome != Outcome::kOk && first_error.empty()) {
      first_error = std::string(name_of(outcome)) + ": " + std::string(why);
    }
  }

  void add(const Tally& other);
  [[nodiscard]] std::uint64_t answered() const { return outcomes[0]; }
  [[nodiscard]] std::uint64_t failed() const;
};

}  // namespace penstock::load
