// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "interleave/atom.h"
#include "interleave/cases.h"
#include "sync/completion_ring.h"

namespace penstock::interleave {
namespace {

using Ring = BasicCompletionRing<Atom>;

struct Node : CompletionNode {
  Plain<int> number;
};

// As WakeFd: a count that makes the owner's sleep end, and that tells nothing else.
class Bell final : public Waker {
 public:
  void wake() noexcept override {
    rung_.fetch_add(1, std::memory_order_relaxed);
    ++rings_;
    futex_wake(rung_, 1);
  }
  void sleep() {
    while (rung_.exchange(0, std::memory_order_relaxed) == 0) {
      (void)futex_wait(rung_, 0, kNoDeadline);
    }
  }
  [[nodiscard]] int rings() const { return rings_; }

 private:
  Atom<std::uint32_t> rung_{0};
  int rings_ = 0;  // of all threads: they run one at a time
};

struct Loop {
  Loop() : ring(std::in_place, *bell) {}

  void push(std::size_t node, int number) {
    nodes[node].number.set(number);
    ring->push(&nodes[node]);
  }
  // What came since; each node's numbers are read and overwritten.
  int take() {
    int count = 0;
    for (CompletionNode* node = ring->take_all(); node != nullptr; ++count) {
      auto& taken = static_cast<Node&>(*node);
      node = node->next;
      order[static_cast<std::size_t>(received + count)] = taken.number.get();
      taken.number.set(0);
    }
    received += count;
    return count;
  }
  // Until `count` are there, as a loop that sleeps when there is nothing.
  void receive(int count) {
    while (received < count) {
      ring->arm();
      ++arms;
      if (take() == 0) bell->sleep();
    }
  }

  std::optional<Bell> bell{std::in_place};
  std::optional<Ring> ring;
  std::array<Node, 4> nodes;
  std::array<int, 4> order{};
  int received = 0;
  int arms = 1;  // born armed
};

void two_pushers(Execution& run, int awaited) {
  auto& loop = run.keep<Loop>();
  run.thread([&loop, awaited] { loop.receive(awaited); });
  run.thread([&loop] { loop.push(0, 1); });
  run.thread([&loop] { loop.push(1, 2); });
  run.end([&loop] {
    (void)loop.take();
    require(loop.order[0] + loop.order[1] == 3, "a node is lost or doubled");
    require(loop.bell->rings() <= loop.arms, "woken more than once an arm");
  });
}

void chains(Execution& run) {
  auto& loop = run.keep<Loop>();
  run.thread([&loop] { loop.receive(3); });
  run.thread([&loop] {
    loop.nodes[0].number.set(1);
    loop.nodes[1].number.set(2);
    loop.nodes[0].next = &loop.nodes[1];
    loop.ring->push_chain(&loop.nodes[0], &loop.nodes[1]);
    loop.push(2, 3);
  });
  run.end([&loop] {
    for (int i = 0; i < 3; ++i) {
      require(loop.order[static_cast<std::size_t>(i)] == i + 1, "turned the order round");
    }
  });
}

// Between rounds the owner is awake, and no wake-up is due.
void armed_and_disarmed(Execution& run) {
  auto& loop = run.keep<Loop>();
  run.thread([&loop] {
    while (loop.received < 2) {
      loop.ring->arm();
      if (loop.take() == 0) loop.bell->sleep();
      loop.ring->disarm();
      (void)loop.take();
    }
  });
  run.thread([&loop] {
    loop.push(0, 1);
    loop.push(1, 2);
  });
}

// The owner has all that will ever come, and takes everything down.
void taken_down(Execution& run) {
  auto& loop = run.keep<Loop>();
  run.thread([&loop] {
    loop.receive(1);
    loop.ring.reset();
    loop.bell.reset();
  });
  run.thread([&loop] { loop.push(0, 1); });
}

}  // namespace

std::vector<Case> completion_ring_cases() {
  const auto first = [](Execution& run) { two_pushers(run, 1); };
  const auto both = [](Execution& run) { two_pushers(run, 2); };
  return {{"completions: the first of two pushers", first},
          {"completions: two pushers", both, true},
          {"completions: chains", chains},
          {"completions: armed and disarmed", armed_and_disarmed},
          {"completions: taken down", taken_down}};
}

}  // namespace penstock::interleave
