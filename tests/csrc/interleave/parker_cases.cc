// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <cstdint>

#include "interleave/atom.h"
#include "interleave/cases.h"
#include "sync/parker.h"

namespace penstock::interleave {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;  // all that a condition needs

// Items that are taken one by one, and those who sleep until there is one.
struct Counter {
  bool take() {
    int seen = items.load(kRelaxed);
    while (seen > 0) {
      if (items.compare_exchange_weak(seen, seen - 1, kRelaxed)) return true;
    }
    return false;
  }
  void put() { items.fetch_add(1, kRelaxed); }
  void take_or_sleep() {
    for (;;) {
      const auto key = parker.prepare_wait();
      if (take()) return parker.cancel_wait();
      (void)parker.wait(key);
      if (take()) return;
    }
  }

  BasicParker<Atom> parker;
  Atom<int> items{0};
};

void a_waiter_and_a_notifier(Execution& run) {
  auto& counter = run.keep<Counter>();
  run.thread([&counter] { counter.take_or_sleep(); });
  run.thread([&counter] {
    counter.put();
    counter.parker.notify_one();
  });
}

// What was notified is there when wait() says so, without another look by prepare_wait().
void woken_with_reason(Execution& run) {
  struct Word {
    BasicParker<Atom> parker;
    Atom<int> condition{0};
  };
  auto& word = run.keep<Word>();
  run.thread([&word] {
    const auto key = word.parker.prepare_wait();
    if (word.condition.load(kRelaxed) != 0) return word.parker.cancel_wait();
    require(word.parker.wait(key), "a wait without a deadline timed out");
    require(word.condition.load(kRelaxed) != 0, "woken before its reason was there");
  });
  run.thread([&word] {
    word.condition.store(1, kRelaxed);
    word.parker.notify_all();
  });
}

void two_waiters_two_items(Execution& run) {
  auto& counter = run.keep<Counter>();
  for (int i = 0; i < 2; ++i) run.thread([&counter] { counter.take_or_sleep(); });
  run.thread([&counter] {
    for (int i = 0; i < 2; ++i) {
      counter.put();
      counter.parker.notify_one();
    }
  });
}

void two_waiters_are_all_told(Execution& run) {
  struct Word {
    BasicParker<Atom> parker;
    Atom<bool> stopped{false};
  };
  auto& word = run.keep<Word>();
  for (int i = 0; i < 2; ++i) {
    run.thread([&word] {
      while (!word.stopped.load(kRelaxed)) {
        const auto key = word.parker.prepare_wait();
        if (word.stopped.load(kRelaxed)) return word.parker.cancel_wait();
        (void)word.parker.wait(key);
      }
    });
  }
  run.thread([&word] {
    word.stopped.store(true, kRelaxed);
    word.parker.notify_all();
  });
}

// One may go without the item, at a time that may be the notifier's: then the other one gets it.
void one_is_impatient(Execution& run) {
  auto& counter = run.keep<Counter>();
  run.thread([&counter] { counter.take_or_sleep(); });
  run.thread([&counter] {
    const auto key = counter.parker.prepare_wait();
    if (counter.take()) {
      counter.parker.cancel_wait();
    } else {
      (void)counter.parker.wait(key, 1);
      if (!counter.take()) return;
    }
    counter.put();  // gives it back
    counter.parker.notify_one();
  });
  run.thread([&counter] {
    counter.put();
    counter.parker.notify_one();
  });
}

}  // namespace

std::vector<Case> parker_cases() {
  return {{"parker: a waiter and a notifier", a_waiter_and_a_notifier},
          {"parker: woken with reason", woken_with_reason},
          {"parker: two waiters, two items", two_waiters_two_items},
          {"parker: two waiters are all told", two_waiters_are_all_told},
          {"parker: one is impatient", one_is_impatient}};
}

}  // namespace penstock::interleave
