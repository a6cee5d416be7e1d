// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ByteBudget, ConnectionSlots, LoopCounters, LiveState: what the loops of a door share, and what
// each counts alone.
//
// Thread safety: any thread, but LoopCounters are written by their loop
// alone. No lock. Ownership: the door's. Nothing blocks.
#pragma once

#include <atomic>
#include <cstdint>

#include "sync/bounded_count.h"

namespace penstock::door {

// The bytes of bodies that are being received or worked on, over all connections. `Atom`: as in
// MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicByteBudget {
 public:
  explicit BasicByteBudget(std::uint64_t limit) : limit_(limit) {}
  // A single body that is larger than everything allowed is let in when it is alone: its own bound
  // is the largest body.
  [[nodiscard]] bool try_take(std::uint64_t bytes) {
    // relaxed here and below: a count that orders nothing
    std::uint64_t taken = taken_.load(std::memory_order_relaxed);
    do {
      if (taken != 0 && (taken > limit_ || bytes > limit_ - taken)) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed));
    return true;
  }
  // relaxed: as above
  void give_back(std::uint64_t bytes) { taken_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  Atom<std::uint64_t> taken_{0};
};

using ByteBudget = BasicByteBudget<>;

// Open connections, over all loops.
class ConnectionSlots {
 public:
  explicit ConnectionSlots(std::uint32_t limit) : limit_(limit) {}
  [[nodiscard]] bool try_take() { return taken_.try_enter(limit_); }
  void give_back() { taken_.leave(); }

 private:
  const std::uint32_t limit_;
  BoundedCount taken_;
};

// Written by one thread only, so that adding is no locked operation.
class Counter {
 public:
  void add(std::uint64_t n) {  // relaxed: one writer; readers want a recent value, no order
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct alignas(64) LoopCounters {
  Counter connections_opened, connections_closed;
  Counter requests_begun, requests_ended;
  Counter inferences;      // of those: answered here by the engine
  Counter passed_on;       // of those: handed to the control plane's server
  Counter refused;         // connections and requests that a bound turned away
  Counter bytes_received;  // from clients
  Counter bytes_sent;      // to clients
};

// One thing that the control plane says of the server.
class StateFlag {
 public:
  // relaxed: it stands alone, nothing is published with it
  void set(bool value) { value_.store(value, std::memory_order_relaxed); }
  explicit operator bool() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> value_{false};
};

// H-2, H-3, H-24.
struct LiveState {
  StateFlag started;  // the models of the start are loaded
  StateFlag ready;
  StateFlag exiting;

  void set(bool now_started, bool now_ready, bool now_exiting) {
    started.set(now_started);
    ready.set(now_ready);
    exiting.set(now_exiting);
  }
};

}  // namespace penstock::door
