// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: requests that cannot be answered in time are told so when they come.
#include <algorithm>
#include <string>

#include "core/served_model.h"

namespace penstock {
namespace {

std::string milliseconds(std::int64_t ns) { return std::to_string(ns / 1'000'000) + " ms"; }

}  // namespace

Status ServedModel::check_deadline(const Request& request) {
  if (clock_.now_ns() < request.deadline_ns) return {};
  late_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a counter
  return deadline_exceeded(request);
}

// An ensemble's steps are admitted by their models.
Status ServedModel::admit(const Request& request) {
  if (ensemble_ || in_flight_.inside() <= 1) return {};  // itself: alone it is never refused
  WorkAhead work;
  work.requests = scheduler_->ahead_of(request);
  if (plan_->scheduler != SchedulerKind::kDefault) {
    const std::int64_t rows = std::max<std::int64_t>(request.batch_size, 1);
    work.per_batch =
        static_cast<std::uint64_t>(std::max<std::int64_t>(plan_->max_batch_size / rows, 1));
  }
  work.instances = instances_.load(std::memory_order_relaxed);  // relaxed: an estimate
  work.idle_instance = scheduler_->parker().anybody_waits();
  work.service_ns = service_time_.ns();
  const std::int64_t left_ns = request.deadline_ns - clock_.now_ns();
  const std::int64_t late_ns = late_by_ns(work, left_ns);
  if (late_ns == 0) return {};
  late_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a counter
  return unavailable(request.tag_text() + "the deadline cannot be met: the expected wait is " +
                     milliseconds(expected_wait_ns(work)) + ", the execution takes " +
                     milliseconds(work.service_ns) + ", and " +
                     milliseconds(std::max<std::int64_t>(left_ns, 0)) + " are left")
      .with_retry_after(late_ns);
}

}  // namespace penstock
