// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// MpmcRing: a bounded queue of small values between any number of threads (Dmitry Vyukov's bounded
// MPMC queue). Every cell carries a sequence number that says whose turn it is, so that a push and
// a pop each cost one compare-exchange and never touch each other's cursor.
//
// Thread safety: every method from any thread; destroy it only when all are done. Ownership: values
// are copied in and out, the cells are allocated once. Nothing blocks: full and empty are answers.
// A thread that stops between claiming a cell and filling (or emptying) it makes the ring look
// empty (or full) from that cell on until it goes on; it never makes it lose or double a value.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <type_traits>

#include "sync/cache_line.h"

namespace penstock {

// `Atom` is std::atomic, or a stand-in with its interface that takes control of the interleaving.
template <typename T, template <typename> class Atom = std::atomic>
class MpmcRing {
  static_assert(std::is_nothrow_copy_assignable_v<T> && std::is_trivially_destructible_v<T>);
  static_assert(std::is_nothrow_default_constructible_v<T>);

 public:
  // Room for at least `capacity` values: the next power of two, and 2 at least (with one cell,
  // "filled" and "free in the next lap" would be the same sequence number).
  explicit MpmcRing(std::size_t capacity)
      : mask_(round_up(capacity) - 1), cells_(std::make_unique<Cell[]>(mask_ + 1)) {
    // relaxed: whoever hands the ring to another thread publishes the cells with it
    for (std::size_t i = 0; i <= mask_; ++i) {
      cells_[i].sequence.store(i, std::memory_order_relaxed);
    }
  }
  MpmcRing(const MpmcRing&) = delete;
  MpmcRing& operator=(const MpmcRing&) = delete;

  // False: full.
  [[nodiscard]] bool try_push(T value) noexcept {
    // relaxed, here and in the exchange: a cursor only deals out cells; what is in a cell is
    // ordered by its sequence
    std::size_t position = push_position_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[position & mask_];
      // acquire: pairs with the release in try_pop, so that the old value has been read by now
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto ahead = static_cast<std::ptrdiff_t>(sequence - position);
      if (ahead < 0) return false;  // still holds the value of one lap ago
      if (ahead > 0) {              // another thread filled it: our cursor is old
        position = push_position_.load(std::memory_order_relaxed);
      } else if (push_position_.compare_exchange_weak(position, position + 1,
                                                      std::memory_order_relaxed,
                                                      std::memory_order_relaxed)) {
        cell.value = value;
        // release: pairs with the acquire in try_pop
        cell.sequence.store(position + 1, std::memory_order_release);
        return true;
      }
    }
  }

  // False: empty, and `value` is unchanged.
  [[nodiscard]] bool try_pop(T& value) noexcept {
    std::size_t position = pop_position_.load(std::memory_order_relaxed);  // as in try_push
    for (;;) {
      Cell& cell = cells_[position & mask_];
      // acquire: pairs with the release in try_push, so that the value is there
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto ahead = static_cast<std::ptrdiff_t>(sequence - (position + 1));
      if (ahead < 0) return false;  // not filled yet
      if (ahead > 0) {              // another thread emptied it: our cursor is old
        position = pop_position_.load(std::memory_order_relaxed);
      } else if (pop_position_.compare_exchange_weak(position, position + 1,
                                                     std::memory_order_relaxed,
                                                     std::memory_order_relaxed)) {
        value = cell.value;
        // release: pairs with the acquire in try_push, one lap on
        cell.sequence.store(position + mask_ + 1, std::memory_order_release);
        return true;
      }
    }
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

  // Exact while nobody pushes or pops, between 0 and capacity() always.
  [[nodiscard]] std::size_t approx_size() const noexcept {
    // relaxed: two readings of moving cursors; no data is reached through them
    const std::size_t popped = pop_position_.load(std::memory_order_relaxed);
    const std::size_t pushed = push_position_.load(std::memory_order_relaxed);
    if (static_cast<std::ptrdiff_t>(pushed - popped) < 0) return 0;
    return std::min(pushed - popped, capacity());
  }

 private:
  struct Cell {
    Atom<std::size_t> sequence;
    T value;
  };
  static constexpr std::size_t kMaxCapacity = (SIZE_MAX / 4 + 1) / std::bit_ceil(sizeof(Cell));

  static std::size_t round_up(std::size_t capacity) {
    if (capacity > kMaxCapacity) throw std::length_error("MpmcRing: capacity is too large");
    return std::bit_ceil(std::max<std::size_t>(capacity, 2));
  }

  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  // A line each: producers and consumers do not disturb each other, nor the pointers above.
  alignas(kCacheLine) Atom<std::size_t> push_position_{0};
  alignas(kCacheLine) Atom<std::size_t> pop_position_{0};

  static constexpr bool layout_holds() {
    return sizeof(MpmcRing) % kCacheLine == 0 && alignof(MpmcRing) == kCacheLine &&
           sizeof(MpmcRing) >= 3 * kCacheLine;
  }

 public:
  ~MpmcRing() { static_assert(layout_holds(), "a cursor shares its cache line"); }
};

static_assert(sizeof(MpmcRing<void*>) == 3 * kCacheLine);
static_assert(std::atomic<std::size_t>::is_always_lock_free);

}  // namespace penstock
