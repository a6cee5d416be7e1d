// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// YieldingAtomic: a std::atomic that gives the processor away now and then before an operation, so
// that threads meet inside lock-free code far more often than they would by themselves.
#pragma once

#include <atomic>
#include <functional>
#include <random>
#include <thread>

namespace penstock {

template <typename T>
class YieldingAtomic {
 public:
  YieldingAtomic() = default;
  YieldingAtomic(T value) : atomic_(value) {}  // NOLINT: implicit as std::atomic's
  T load(std::memory_order order) const {
    maybe_yield();
    return atomic_.load(order);
  }
  void store(T value, std::memory_order order) {
    maybe_yield();
    atomic_.store(value, order);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    maybe_yield();
    return atomic_.compare_exchange_weak(expected, desired, success, failure);
  }

 private:
  static void maybe_yield() {
    thread_local std::minstd_rand random(
        static_cast<unsigned>(std::hash<std::thread::id>{}(std::this_thread::get_id())));
    if (random() % 8 == 0) std::this_thread::yield();
  }
  std::atomic<T> atomic_;
};

}  // namespace penstock
