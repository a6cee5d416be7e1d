// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/reaper.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace penstock {

Reaper::~Reaper() {
  stopping_.store(true);  // seq_cst: seen by the check after prepare_wait()
  parker_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Reaper::watch(std::weak_ptr<Sweepable> model) {
  std::lock_guard lock(mutex_);
  std::erase_if(models_, [](const auto& m) { return m.expired(); });
  models_.push_back(std::move(model));
}

void Reaper::expect(std::int64_t when_ns) {
  if (!due_.expect(when_ns)) return;
  std::call_once(started_, [this] { start(); });
  parker_.notify_one();
}

void Reaper::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "reaper");
    run();
  });
}

void Reaper::run() {
  std::int64_t swept_ns = clock_.now_ns() - kPause;
  while (!stopping_.load()) {
    const auto key = parker_.prepare_wait();
    const std::int64_t due = due_.get();  // what is expected later notifies
    if (stopping_.load()) {
      parker_.cancel_wait();
      return;
    }
    const std::int64_t start = std::max(due, swept_ns + kPause);
    if (due == kNoDeadline || clock_.now_ns() < start) {
      (void)parker_.wait(key, due == kNoDeadline ? kNoDeadline : start);
      continue;
    }
    parker_.cancel_wait();
    due_.clear();  // before the sweep: who comes from now on expects anew
    expect(sweep());
    swept_ns = clock_.now_ns();
  }
}

std::int64_t Reaper::sweep() {
  std::vector<std::shared_ptr<Sweepable>> models;
  {
    std::lock_guard lock(mutex_);
    for (const auto& model : models_) {
      if (auto alive = model.lock()) models.push_back(std::move(alive));
    }
  }
  std::int64_t next = kNoDeadline;
  for (const auto& model : models) next = std::min(next, model->sweep(clock_.now_ns()));
  return next;
}

}  // namespace penstock
