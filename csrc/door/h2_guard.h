// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// H2Guard: how much of what costs the server and not the client one connection may do.
//
// Two allowances that refill with time. Resets: streams that the client opened only to have them
// ended again, by its own RST_STREAM (Rapid Reset, CVE-2023-44487) or by breaking a rule so that
// the server resets (MadeYouReset, CVE-2025-8671). Frames: PING, SETTINGS, PRIORITY, WINDOW_UPDATE
// and empty DATA; what the server sends itself gives some back, for clients acknowledge data with
// them. And gRPC's own rule on PINGs (O-43..O-45). Pure; thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>

namespace penstock::door {

// What refills by `per_second` up to `most`.
class Allowance {
 public:
  Allowance(double most, double per_second) : most_(most), per_ns_(per_second / 1e9), left_(most) {}

  // False: used up.
  [[nodiscard]] bool take(std::int64_t now_ns) {
    if (last_ns_ != 0) {
      left_ = std::min(most_, left_ + static_cast<double>(now_ns - last_ns_) * per_ns_);
    }
    last_ns_ = now_ns;
    left_ -= 1;
    return left_ >= 0;
  }
  void give(double amount) { left_ = std::min(most_, left_ + amount); }

 private:
  double most_;
  double per_ns_;
  double left_;
  std::int64_t last_ns_ = 0;
};

struct PingRules {
  std::int64_t min_interval_ns = 300'000'000'000;  // O-44
  std::int32_t max_strikes = 2;                    // O-45; 0: any number
  bool permit_without_calls = false;               // O-42
};

class H2Guard {
 public:
  explicit H2Guard(PingRules rules) : rules_(rules) {}

  // Each false: the connection is to be ended with ENHANCE_YOUR_CALM.
  [[nodiscard]] bool reset(std::int64_t now_ns) { return resets_.take(now_ns); }
  [[nodiscard]] bool frame(std::int64_t now_ns) { return frames_.take(now_ns); }
  [[nodiscard]] bool ping(std::int64_t now_ns, bool calls);
  // The server has sent DATA or HEADERS.
  void sent() {
    frames_.give(4);  // a client answers one with up to three: WINDOW_UPDATE twice, PING
    strikes_ = 0;
    last_ping_ns_ = 0;
  }

 private:
  static constexpr std::int64_t kIntervalWithoutCallsNs = 7'200'000'000'000;

  PingRules rules_;
  Allowance resets_{500, 100};
  Allowance frames_{800, 200};
  std::int64_t last_ping_ns_ = 0;
  std::int32_t strikes_ = 0;
};

inline bool H2Guard::ping(std::int64_t now_ns, bool calls) {
  if (!frame(now_ns)) return false;
  const std::int64_t interval_ns = calls || rules_.permit_without_calls
                                       ? rules_.min_interval_ns
                                       : std::max(kIntervalWithoutCallsNs, rules_.min_interval_ns);
  const bool too_soon = last_ping_ns_ != 0 && now_ns - last_ping_ns_ < interval_ns;
  last_ping_ns_ = now_ns;
  if (too_soon) ++strikes_;
  return rules_.max_strikes == 0 || strikes_ <= rules_.max_strikes;
}

}  // namespace penstock::door
