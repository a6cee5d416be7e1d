// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// CompletionRing: how finished work reaches the loop that owns it, in bursts.
//
// Any thread pushes a chain of nodes with one atomic exchange; the one owner takes everything at
// once, oldest first. The owner is woken at most once between two arm() calls, however many chains
// arrive. Thread safety: push_chain from any thread, arm/take_all from the owner only. Ownership:
// intrusive, the ring allocates nothing and owns no node. The owner may destroy it, and then the
// waker, as soon as it has taken all that will ever be pushed: a pusher may still be on its way
// out, and the destructor waits these few instructions. Nothing else blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

struct CompletionNode {
  CompletionNode* next = nullptr;
};

// What a push does to an owner that may be asleep.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void wake() noexcept = 0;
};

// An eventfd for epoll, poll and asyncio loops.
class WakeFd final : public Waker {
 public:
  WakeFd();
  ~WakeFd() override;
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;
  void wake() noexcept override;
  // Resets the fd to "not readable"; for level-triggered loops.
  void drain() noexcept;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// `Atom` is std::atomic, or a stand-in with its interface that takes control of the interleaving.
template <template <typename> class Atom = std::atomic>
class BasicCompletionRing {
 public:
  explicit BasicCompletionRing(Waker& waker) : waker_(waker) {}
  ~BasicCompletionRing();
  BasicCompletionRing(const BasicCompletionRing&) = delete;
  BasicCompletionRing& operator=(const BasicCompletionRing&) = delete;
  // first..last are linked by next; last->next is overwritten.
  void push_chain(CompletionNode* first, CompletionNode* last) noexcept;
  void push(CompletionNode* node) noexcept { push_chain(node, node); }
  // From now on the next push wakes the owner. Call before take_all() when about to sleep.
  void arm() noexcept;
  // The owner is awake and will arm() and take_all() before it sleeps: no need to wake it.
  void disarm() noexcept;
  // Everything pushed so far, in push order, linked by next; nullptr when there is nothing.
  [[nodiscard]] CompletionNode* take_all() noexcept;

 private:
  Waker& waker_;
  Atom<CompletionNode*> head_{nullptr};
  Atom<bool> armed_{true};
  Atom<std::uint32_t> pushing_{0};  // threads inside push_chain
};

extern template class BasicCompletionRing<std::atomic>;
using CompletionRing = BasicCompletionRing<>;

}  // namespace penstock
