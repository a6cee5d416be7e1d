// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DirectScheduler: a sequence is a fixed row of an instance's batches (S-26).
//
// A batch spans the rows up to the last one that some sequence has; rows without a request are
// padding. Thread safety: as Scheduler.
#pragma once

#include "sched/direct_policy.h"
#include "sched/sequence_scheduler.h"

namespace penstock {

class DirectScheduler final : public SequenceScheduler {
 public:
  DirectScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
      : SequenceScheduler(plan, clock, sink), policy_(plan) {}

 private:
  [[nodiscard]] Poll form(std::uint32_t instance, const Due& due, std::int64_t now_ns,
                          Batch& batch) override;

  const DirectPolicy policy_;
};

}  // namespace penstock
