// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What the completion ring of penstock/completion.h does.
//
// A Treiber stack that is only ever emptied whole, so a node cannot come back under a pusher's
// hands (no ABA). It holds the newest node first; chains are turned round when pushed, everything
// is turned round again when taken.
//
// Why no wake-up is lost: the pusher publishes, then reads armed_; the owner sets armed_, then
// takes. Publishing and taking are read-modify-writes of the same word, so one of the two comes
// first: either the owner takes what was pushed, or the pusher's exchange reads what the owner's
// has left there and with it sees armed_.
//
// Thread safety, ownership, what blocks: see there.
#pragma once

#include "penstock/completion.h"
#include "sync/spin.h"

namespace penstock {

// Puts the nodes from `node` on, up to the end, before `rest` in opposite order.
inline CompletionNode* reverse_onto(CompletionNode* node, CompletionNode* rest) noexcept {
  while (node != nullptr) {
    CompletionNode* const next = node->next;
    node->next = rest;
    rest = node;
    node = next;
  }
  return rest;
}

template <template <typename> class Atom>
BasicCompletionRing<Atom>::~BasicCompletionRing() {
  // acquire: pairs with the release in push_chain, whose last touch of the ring it is
  while (pushing_.load(std::memory_order_acquire) != 0) spin(pushing_);
}

template <template <typename> class Atom>
void BasicCompletionRing<Atom>::push_chain(CompletionNode* first, CompletionNode* last) noexcept {
  // relaxed: an owner that has taken the chain has seen this too, it came before the exchange
  pushing_.fetch_add(1, std::memory_order_relaxed);
  last->next = nullptr;
  reverse_onto(first, nullptr);  // now last..first
  // relaxed: the value is only compared and linked to, not followed
  CompletionNode* head = head_.load(std::memory_order_relaxed);
  do {
    first->next = head;
    // acq_rel on success: release for the nodes, acquire for armed_, both with the exchange in
    // take_all; relaxed on failure: as above
  } while (!head_.compare_exchange_weak(head, last, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  // The load keeps the line shared while the owner is busy; the exchange picks the one who wakes.
  // relaxed: ordered by the exchange above
  if (armed_.load(std::memory_order_relaxed) && armed_.exchange(false, std::memory_order_relaxed)) {
    waker_.wake();
  }
  pushing_.fetch_sub(1, std::memory_order_release);  // pairs with the acquire in the destructor
}

template <template <typename> class Atom>
void BasicCompletionRing<Atom>::arm() noexcept {
  armed_.store(true, std::memory_order_relaxed);  // relaxed: ordered by the exchange in take_all
}

template <template <typename> class Atom>
void BasicCompletionRing<Atom>::disarm() noexcept {
  armed_.store(false, std::memory_order_relaxed);  // a pusher that misses it wakes once too often
}

template <template <typename> class Atom>
CompletionNode* BasicCompletionRing<Atom>::take_all() noexcept {
  // acq_rel: pairs with the exchange in push_chain, both ways
  return reverse_onto(head_.exchange(nullptr, std::memory_order_acq_rel), nullptr);
}

}  // namespace penstock
