// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/limited_instances.h"

namespace penstock {

LimitedInstances::~LimitedInstances() {
  if (group_ != nullptr) limiter_->remove(*group_);
}

Status LimitedInstances::join(const ModelPlan& plan) {
  auto group = limiter_->add(plan.instance_limits, scheduler_.instances_share(), *this);
  if (!group.ok()) return group.take_status();
  group_ = group.value();
  return {};
}

void LimitedInstances::retire() { limiter_->retire(*group_); }

void LimitedInstances::wake() {
  wakes_.fetch_add(1);  // seq_cst, before the wake-up: whoever is woken sees it in quiet_until()
  scheduler_.wake();
}

bool LimitedInstances::next(std::uint32_t instance, Batch& batch) {
  Parker& parker = scheduler_.parker();
  for (;;) {
    const auto key = parker.prepare_wait();  // before poll(): what it asks for may come at once
    const Poll polled = poll(instance, batch);
    if (polled.kind == PollKind::kWait) {
      (void)parker.wait(key, polled.wait_until_ns);
      continue;
    }
    parker.cancel_wait();
    return polled.kind == PollKind::kBatch;
  }
}

Poll LimitedInstances::poll(std::uint32_t instance, Batch& batch) {
  if (scheduler_.drained()) {
    limiter_->leave(*group_, instance);
    return {PollKind::kStopped};
  }
  const std::int64_t quiet = quiet_until(clock_.now_ns());
  const std::uint64_t waiting = quiet == 0 ? scheduler_.pending_for(instance) : 0;
  if (limiter_->ask(*group_, instance, waiting)) return try_run(instance, batch);
  return {PollKind::kWait, quiet == 0 ? kNoDeadline : quiet};
}

Poll LimitedInstances::try_run(std::uint32_t instance, Batch& batch) {
  const std::uint64_t wakes = wakes_.load();  // before the look at the queue
  const Poll polled = scheduler_.poll(instance, clock_.now_ns(), batch);
  if (polled.kind == PollKind::kBatch) {
    limiter_->start(*group_, instance);
    return polled;
  }
  if (polled.kind == PollKind::kWait && scheduler_.instances_share()) {
    std::lock_guard lock(quiet_mutex_);
    quiet_ = {wakes, polled.wait_until_ns};
  }
  limiter_->decline(*group_, instance);
  return polled;
}

// 0: somebody has to look.
std::int64_t LimitedInstances::quiet_until(std::int64_t now_ns) {
  const std::uint64_t wakes = wakes_.load();  // seq_cst: pairs with the addition in wake()
  std::lock_guard lock(quiet_mutex_);
  return quiet_.wakes == wakes && now_ns < quiet_.until_ns ? quiet_.until_ns : 0;
}

}  // namespace penstock
