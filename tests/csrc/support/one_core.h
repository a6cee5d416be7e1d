// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#pragma once

#include <sched.h>

namespace penstock::testing {

// The thread, and what it starts from now on, is on one core.
class OneCore {
 public:
  OneCore() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~OneCore() { sched_setaffinity(0, sizeof before_, &before_); }
  OneCore(const OneCore&) = delete;
  OneCore& operator=(const OneCore&) = delete;
  [[nodiscard]] const cpu_set_t& before() const { return before_; }

 private:
  cpu_set_t before_;
};

}  // namespace penstock::testing
