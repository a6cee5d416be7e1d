// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// TaggedStack: a lock-free free list of numbered nodes (Treiber's stack). Last in, first out: the
// next node handed out is the one whose memory is still in the cache. Unlike a ring it is never
// seen empty because some other thread was stopped in the middle of a push.
//
// The head holds a node's number and a count of pops. The count changes whenever a node leaves, so
// a pop that was overtaken never mistakes a node that left and came back for one that stayed (it
// would need exactly 2^32 pops meanwhile).
//
// Thread safety: every method from any thread. Ownership: none; the links live with the nodes.
// `link_of(number)` gives node `number`'s link, an Atom<uint32_t>&. A pop may look at the link of a
// node that another thread has popped: links must stay readable as long as the stack is used.
// Nothing blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// `Atom`: as in MpmcRing.
template <template <typename> class Atom = std::atomic>
class TaggedStack {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  TaggedStack() = default;
  TaggedStack(const TaggedStack&) = delete;
  TaggedStack& operator=(const TaggedStack&) = delete;

  template <typename LinkOf>
  void push(std::uint32_t number, LinkOf&& link_of) noexcept {
    // relaxed: the old head is only linked to, not followed
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    do {
      // relaxed: published by the exchange
      link_of(number).store(number_in(head), std::memory_order_relaxed);
      // release: pairs with the acquires in pop, for the link and for what the node holds
    } while (!head_.compare_exchange_weak(head, with_number(head, number),
                                          std::memory_order_release, std::memory_order_relaxed));
  }

  // kNone: empty.
  template <typename LinkOf>
  [[nodiscard]] std::uint32_t pop(LinkOf&& link_of) noexcept {
    // acquire, here and when the exchange fails: pairs with the release of the push that brought
    // the node. Later pushes and pops of others in between are part of that push's release
    // sequence.
    std::uint64_t head = head_.load(std::memory_order_acquire);
    while (number_in(head) != kNone) {
      // relaxed: a stale link comes with a stale head, and then the exchange fails
      const std::uint32_t next = link_of(number_in(head)).load(std::memory_order_relaxed);
      // relaxed on success: the head is still the one that was acquired, it does not come back
      if (head_.compare_exchange_weak(head, with_number(head, next) + kOnePop,
                                      std::memory_order_relaxed, std::memory_order_acquire)) {
        return number_in(head);
      }
    }
    return kNone;
  }

 private:
  static constexpr std::uint64_t kOnePop = std::uint64_t{1} << 32;  // the upper half wraps freely
  static std::uint32_t number_in(std::uint64_t head) { return static_cast<std::uint32_t>(head); }
  static std::uint64_t with_number(std::uint64_t head, std::uint32_t number) {
    return (head & ~std::uint64_t{kNone}) | number;
  }

  Atom<std::uint64_t> head_{kNone};
};

static_assert(sizeof(TaggedStack<>) == sizeof(std::uint64_t));
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace penstock
