// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// TraceSampler: every how manieth request is traced. TraceSlot: the sampler that a model asks.
//
// Thread safety: sampling from any thread, without locks; changes by the tracer, under its lock. A
// request that is sampled while settings change may have a bit of both. Ownership: a tracer owns
// its samplers and keeps them for its life; slots are shared with the models of that name. Nothing
// blocks.
#pragma once

#include <atomic>
#include <cstdint>

#include "penstock/tracer.h"

namespace penstock {

// Every member is relaxed: a number that stands for itself, and pairs with nothing. `Atom`: as in
// MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicTraceSampler {
 public:
  void set(const TraceSettings& settings) {
    // relaxed: pairs with nothing, as said above
    rate_.store(settings.rate, std::memory_order_relaxed);
    left_.store(settings.count, std::memory_order_relaxed);
    tensors_.store(settings.tensors, std::memory_order_relaxed);
    generation_.store(settings.generation, std::memory_order_relaxed);
    seen_.store(0, std::memory_order_relaxed);
  }
  // T-4: one more request. Is it traced?
  [[nodiscard]] bool sample() {
    // relaxed: a sample too many or too few while the settings change harms nobody
    const std::uint64_t rate = rate_.load(std::memory_order_relaxed);
    if (rate == 0) return false;
    if ((seen_.fetch_add(1, std::memory_order_relaxed) + 1) % rate != 0) return false;
    std::int64_t left = left_.load(std::memory_order_relaxed);
    while (left > 0) {  // relaxed: only this number counts
      if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
    }
    return left < 0;
  }
  // relaxed, both: pair with nothing
  [[nodiscard]] bool tensors() const { return tensors_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t generation() const {
    return generation_.load(std::memory_order_relaxed);
  }

 private:
  Atom<std::uint64_t> rate_{0};
  Atom<std::int64_t> left_{0};
  Atom<std::uint64_t> seen_{0};
  Atom<bool> tensors_{false};
  Atom<std::uint64_t> generation_{0};
};

using TraceSampler = BasicTraceSampler<>;

class TraceSlot {
 public:
  // Null: nothing is traced. relaxed: samplers live as long as the tracer, and say the rest.
  [[nodiscard]] TraceSampler* sampler() const { return active_.load(std::memory_order_relaxed); }

 private:
  friend class Tracer;
  std::atomic<TraceSampler*> active_{nullptr};
  TraceSampler own_;
  bool inherits_ = true;  // under the tracer's lock
};

}  // namespace penstock
