// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <array>
#include <cstdint>
#include <optional>

#include "core/trace_slot.h"
#include "door/bounds.h"
#include "interleave/atom.h"
#include "interleave/cases.h"
#include "penstock/cancel_mark.h"
#include "penstock/ref_count.h"
#include "sync/bounded_count.h"
#include "sync/due_time.h"
#include "sync/mpmc_ring.h"
#include "sync/parker.h"
#include "sync/signal.h"
#include "sync/turnstile.h"

namespace penstock::interleave {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// ---- counted references ----

struct Shared {
  void use_and_drop() {
    content[self()].set(1);
    drop();
  }
  void drop() {
    if (!count.drop()) return;
    for (auto& own : content) own.set(0);  // as whoever frees it
    ++freed;
  }

  BasicRefCount<Atom> count;
  std::array<Plain<int>, kThreads> content;
  int freed = 0;
};

void last_one_frees(Execution& run) {
  auto& shared = run.keep<Shared>();
  shared.count.add();
  shared.count.add();
  for (int i = 0; i < 3; ++i) run.thread([&shared] { shared.use_and_drop(); });
  run.end([&shared] { require(shared.freed == 1, "freed not once"); });
}

void counts_made_of_counts(Execution& run) {
  auto& shared = run.keep<Shared>();
  shared.count.add();
  run.thread([&shared] {
    shared.count.add();
    shared.drop();
    shared.use_and_drop();
  });
  run.thread([&shared] { shared.use_and_drop(); });
  run.end([&shared] { require(shared.freed == 1, "freed not once"); });
}

// ---- bounds ----

void never_more_than_the_limit(Execution& run) {
  struct Room {
    BasicBoundedCount<Atom> count;
    Atom<int> inside{0};
  };
  auto& room = run.keep<Room>();
  for (int i = 0; i < 3; ++i) {
    run.thread([&room] {
      if (!room.count.try_enter(1)) return;
      require(room.inside.fetch_add(1, kRelaxed) == 0, "more than there is room for");
      room.inside.fetch_sub(1, kRelaxed);
      room.count.leave();
    });
  }
  run.end([&room] { require(room.count.try_enter(1), "a place is lost"); });
}

void bytes_within_the_budget(Execution& run) {
  struct Room {
    door::BasicByteBudget<Atom> budget{10};
    Atom<std::uint64_t> taken{0};
  };
  auto& room = run.keep<Room>();
  for (const std::uint64_t bytes : {6U, 5U, 4U}) {
    run.thread([&room, bytes] {
      if (!room.budget.try_take(bytes)) return;
      require(room.taken.fetch_add(bytes, kRelaxed) + bytes <= 10, "more bytes than allowed");
      room.taken.fetch_sub(bytes, kRelaxed);
      room.budget.give_back(bytes);
    });
  }
  run.end([&room] { require(room.budget.taken() == 0, "bytes are lost"); });
}

// T-4: of two that may both be traced, with a count of one.
void never_more_traces_than_the_count(Execution& run) {
  struct Word {
    BasicTraceSampler<Atom> sampler;
    int traced = 0;
  };
  auto& word = run.keep<Word>();
  TraceSettings settings;
  settings.rate = 1;
  settings.count = 1;
  word.sampler.set(settings);
  for (int i = 0; i < 3; ++i) {
    run.thread([&word] { word.traced += word.sampler.sample() ? 1 : 0; });
  }
  run.end([&word] { require(word.traced == 1, "traced more or fewer than the count"); });
}

// ---- signals ----

// Whoever is signalled sees what all had done who signalled.
void all_that_was_done_is_seen(Execution& run) {
  struct Word {
    BasicSignal<Atom> signal;
    BasicParker<Atom> parker;
    std::array<Atom<int>, 2> count;
    int seen = 0;
  };
  auto& word = run.keep<Word>();
  for (std::size_t i = 0; i < 2; ++i) {
    run.thread([&word, i] {
      word.count[i].store(1, kRelaxed);
      word.signal.raise();
      word.parker.notify_one();
    });
  }
  run.thread([&word] {
    const auto look = [&word] {
      if (!word.signal.take()) return false;
      word.seen = word.count[0].load(kRelaxed) + word.count[1].load(kRelaxed);
      return true;
    };
    while (word.seen < 2) {
      if (look()) continue;
      const auto key = word.parker.prepare_wait();
      if (look()) {
        word.parker.cancel_wait();
      } else {
        (void)word.parker.wait(key);
      }
    }
  });
}

// ---- turnstiles ----

struct House {
  // False: it is closed.
  bool visit() {
    gate.enter();
    if (gate.closed()) {
      if (gate.leave()) told.notify_all();
      return false;
    }
    rooms[self()].set(1);
    if (gate.leave()) told.notify_all();
    return true;
  }
  void close_and_clear() {
    gate.close();
    while (!gate.empty()) {
      const auto key = told.prepare_wait();
      if (gate.empty()) {
        told.cancel_wait();
        break;
      }
      (void)told.wait(key);
    }
    for (auto& room : rooms) room.set(0);
  }

  BasicTurnstile<Atom> gate;
  BasicParker<Atom> told;
  std::array<Plain<int>, kThreads> rooms;
};

void closed_while_they_come_and_go(Execution& run) {
  auto& house = run.keep<House>();
  run.thread([&house] { (void)house.visit(); });
  run.thread([&house] { house.close_and_clear(); });
}

void closed_for_two(Execution& run) {
  auto& house = run.keep<House>();
  house.gate.enter();  // one has been inside for long
  run.thread([&house] { (void)house.visit(); });
  run.thread([&house] {
    house.rooms[0].set(1);
    if (house.gate.leave()) house.told.notify_all();
  });
  run.thread([&house] {
    house.gate.close();
    while (!house.gate.empty()) {
      const auto key = house.told.prepare_wait();
      if (house.gate.empty()) {
        house.told.cancel_wait();
        break;
      }
      (void)house.told.wait(key);
    }
    house.rooms[0].set(0);
  });
}

// ---- what is due ----

// A queue that is looked through when something in it is due, as Scheduler and Reaper do it.
struct Watched {
  void submit(std::uint32_t number, std::int64_t when_ns) {
    gate.enter();
    require(ring.try_push(number), "full when it was not");
    if (due.expect(when_ns)) parker.notify_one();
  }
  // One round: what is there is looked at; true: it has to come again anyway.
  void round() {
    due.clear();
    std::size_t held = 0;
    for (std::uint32_t number = 0; ring.try_pop(number); ++held) seen[number] = true;
    looked += held;
    if (gate.inside() > looked) (void)due.expect(1);
  }

  BasicTurnstile<Atom> gate;
  MpmcRing<std::uint32_t, Atom> ring{2};
  BasicDueTime<Atom> due;
  BasicParker<Atom> parker;
  std::array<bool, 2> seen{};
  std::size_t looked = 0;
};

// Something later is submitted while the round for something earlier may have begun.
void submitted_amid_a_round(Execution& run) {
  auto& watched = run.keep<Watched>();
  (void)watched.due.expect(1);
  run.thread([&watched] { watched.submit(0, 2); });
  run.thread([&watched] { watched.round(); });
  run.end([&watched] {
    require(watched.seen[0] || watched.due.get() != kNoDeadline, "nobody will ever look at it");
  });
}

void two_submit_amid_a_round(Execution& run) {
  auto& watched = run.keep<Watched>();
  (void)watched.due.expect(3);
  run.thread([&watched] { watched.submit(0, 1); });
  run.thread([&watched] { watched.submit(1, 2); });
  run.thread([&watched] { watched.round(); });
  run.end([&watched] {
    for (std::size_t i = 0; i < 2; ++i) {
      require(watched.seen[i] || watched.due.get() != kNoDeadline, "nobody will ever look at it");
    }
  });
}

// The one who looks sleeps until something is due.
void woken_when_due(Execution& run) {
  auto& watched = run.keep<Watched>();
  run.thread([&watched] { watched.submit(0, 1); });
  run.thread([&watched] {
    while (!watched.seen[0]) {
      const auto key = watched.parker.prepare_wait();
      if (watched.due.get() == kNoDeadline) {
        (void)watched.parker.wait(key);
        continue;
      }
      watched.parker.cancel_wait();
      watched.round();
    }
  });
}

// A cancellation that hurries a round which has begun already is seen by that round.
void cancelled_amid_a_round(Execution& run) {
  struct Queue {
    BasicCancelMark<Atom> use;
    BasicDueTime<Atom> due;
    bool seen = false;
  };
  auto& queue = run.keep<Queue>();
  (void)queue.due.expect(1);
  run.thread([&queue] {
    (void)queue.use.cancel(queue.use.generation());
    (void)queue.due.expect(2);
  });
  run.thread([&queue] {
    queue.due.clear();
    queue.seen = queue.use.cancelled();
  });
  run.end([&queue] {
    require(queue.seen || queue.due.get() != kNoDeadline, "nobody will ever look at it");
  });
}

}  // namespace

std::vector<Case> count_cases() {
  return {{"references: the last one frees", last_one_frees},
          {"references: counts made of counts", counts_made_of_counts},
          {"bounds: never more than the limit", never_more_than_the_limit},
          {"bounds: bytes within the budget", bytes_within_the_budget},
          {"bounds: never more traces than the count", never_more_traces_than_the_count},
          {"signal: all that was done is seen", all_that_was_done_is_seen},
          {"turnstile: closed while they come and go", closed_while_they_come_and_go},
          {"turnstile: closed for two", closed_for_two},
          {"due: submitted amid a round", submitted_amid_a_round},
          {"due: two submit amid a round", two_submit_amid_a_round},
          {"due: woken when due", woken_when_due},
          {"due: cancelled amid a round", cancelled_amid_a_round}};
}

}  // namespace penstock::interleave
