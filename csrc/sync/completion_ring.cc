// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A Treiber stack that is only ever emptied whole, so a node cannot come back under a pusher's
// hands (no ABA). It holds the newest node first; chains are turned round when pushed, everything
// is turned round again when taken.
//
// Why no wake-up is lost: the pusher publishes, then reads armed_; the owner sets armed_, then
// takes. These four operations are seq_cst and so have one order: a pusher that read "not armed"
// published before the owner armed, hence before the owner takes.
#include <thread>

#include "penstock/completion.h"

namespace penstock {
namespace {

// Puts the nodes from `node` on, up to the end, before `rest` in opposite order.
CompletionNode* reverse_onto(CompletionNode* node, CompletionNode* rest) noexcept {
  while (node != nullptr) {
    CompletionNode* const next = node->next;
    node->next = rest;
    rest = node;
    node = next;
  }
  return rest;
}

}  // namespace

CompletionRing::~CompletionRing() {
  // acquire: pairs with the release in push_chain, whose last touch of the ring it is
  while (pushing_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

void CompletionRing::push_chain(CompletionNode* first, CompletionNode* last) noexcept {
  // relaxed: an owner that has taken the chain has seen this too, it came before the exchange
  pushing_.fetch_add(1, std::memory_order_relaxed);
  last->next = nullptr;
  reverse_onto(first, nullptr);  // now last..first
  // relaxed: the value is only compared and linked to, not followed
  CompletionNode* head = head_.load(std::memory_order_relaxed);
  do {
    first->next = head;
    // seq_cst on success: pairs with the exchange in take_all; relaxed on failure: as above
  } while (!head_.compare_exchange_weak(head, last, std::memory_order_seq_cst,
                                        std::memory_order_relaxed));
  // The load keeps the line shared while the owner is busy; the exchange picks the one who wakes.
  if (armed_.load() && armed_.exchange(false)) waker_.wake();
  pushing_.fetch_sub(1, std::memory_order_release);  // pairs with the acquire in the destructor
}

void CompletionRing::arm() noexcept { armed_.store(true); }

void CompletionRing::disarm() noexcept {
  armed_.store(false, std::memory_order_relaxed);  // a pusher that misses it wakes once too often
}

CompletionNode* CompletionRing::take_all() noexcept {
  return reverse_onto(head_.exchange(nullptr), nullptr);
}

}  // namespace penstock
