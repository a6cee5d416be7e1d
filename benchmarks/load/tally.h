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
#include <functional>
#include <map>
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
  kCancelled,  // called off by this client, as it was asked to
};
inline constexpr std::size_t kOutcomes = 9;

constexpr const char* name_of(Outcome outcome) {
  constexpr const char* kNames[kOutcomes] = {"ok",    "connect", "closed", "malformed", "status",
                                             "wrong", "timeout", "unsent", "cancelled"};
  return kNames[static_cast<std::size_t>(outcome)];
}

struct Tally {
  std::array<std::uint64_t, kOutcomes> outcomes{};
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::int64_t last_ns = 0;  // when the last counted request ended
  std::int64_t cpu_ns = 0;   // this program's own
  Histogram latency;         // of those that are ok, from when each was due
  Histogram refusal;         // the same of those that got another status
  Histogram delay;           // from when it was due until it was sent: the client's own lateness
  std::string first_error;
  std::map<std::string, std::uint64_t, std::less<>> statuses;  // what kStatus said; kMostStatuses

  void count(Outcome outcome, std::string_view why);
  void add(const Tally& other);
  [[nodiscard]] std::uint64_t answered() const { return outcomes[0]; }
  [[nodiscard]] std::uint64_t cancelled() const {
    return outcomes[static_cast<std::size_t>(Outcome::kCancelled)];
  }
  // Neither answered nor cancelled.
  [[nodiscard]] std::uint64_t failed() const;

 private:
  static constexpr std::size_t kMostStatuses = 64;  // the rest is "others"

  void add_status(std::string_view text, std::uint64_t count);
};

}  // namespace penstock::load
