// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DefaultScheduler: one request, one execution, any idle instance, oldest first (contract 4.1).
#pragma once

#include "sched/scheduler.h"

namespace penstock {

class DefaultScheduler final : public Scheduler {
 public:
  using Scheduler::Scheduler;
  [[nodiscard]] Poll poll(std::int64_t now_ns, Batch& batch) override;
};

}  // namespace penstock
