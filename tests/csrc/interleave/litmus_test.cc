// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// The checker itself: small programs of which the C++ standard says what may come out, exactly.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "interleave/atom.h"

namespace penstock::interleave {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kSeqCst = std::memory_order_seq_cst;

struct World {
  Atom<int> x{0};
  Atom<int> y{0};
  Plain<int> data{0};
  Mutex mutex;
  std::array<int, 4> r{};  // each written by one thread
};
using Body = void (*)(World&);
using Results = std::set<std::string>;

// Everything that the registers can hold in the end.
Results results(std::vector<Body> bodies, std::size_t registers) {
  Results all;
  const auto set_up = [&](Execution& run) {
    auto& world = run.keep<World>();
    for (const Body body : bodies) run.thread([&world, body] { body(world); });
    run.end([&] {
      std::string text;
      for (std::size_t i = 0; i < registers; ++i) text += std::to_string(world.r[i]);
      all.insert(text);
    });
  };
  const Outcome outcome = explore({"litmus", set_up}, 1'000'000);
  EXPECT_TRUE(outcome.complete) << outcome.failure;
  return all;
}

// What goes wrong first; empty: nothing does.
std::string failure(std::vector<Body> bodies) {
  const auto set_up = [&](Execution& run) {
    auto& world = run.keep<World>();
    for (const Body body : bodies) run.thread([&world, body] { body(world); });
  };
  const std::string text = explore({"litmus", set_up}, 1'000'000).failure;
  return text.substr(0, text.find('\n'));
}

// ---- store buffering ----

template <std::memory_order store, std::memory_order load>
void store_x_load_y(World& w) {
  w.x.store(1, store);
  w.r[0] = w.y.load(load);
}
template <std::memory_order store, std::memory_order load>
void store_y_load_x(World& w) {
  w.y.store(1, store);
  w.r[1] = w.x.load(load);
}

TEST(LitmusTest, BothMayMissTheOthersStoreUnlessAllIsSeqCst) {
  const Results any{"00", "01", "10", "11"};
  EXPECT_EQ(results({store_x_load_y<kRelaxed, kRelaxed>, store_y_load_x<kRelaxed, kRelaxed>}, 2),
            any);
  EXPECT_EQ(results({store_x_load_y<kRelease, kAcquire>, store_y_load_x<kRelease, kAcquire>}, 2),
            any);
  EXPECT_EQ(results({store_x_load_y<kRelease, kSeqCst>, store_y_load_x<kSeqCst, kSeqCst>}, 2), any);
  EXPECT_EQ(results({store_x_load_y<kSeqCst, kAcquire>, store_y_load_x<kSeqCst, kSeqCst>}, 2), any);
  EXPECT_EQ(results({store_x_load_y<kSeqCst, kSeqCst>, store_y_load_x<kSeqCst, kSeqCst>}, 2),
            (Results{"01", "10", "11"}));
}

template <std::memory_order change>
void change_x_load_y(World& w) {
  w.x.fetch_add(1, change);
  w.r[0] = w.y.load(kSeqCst);
}
TEST(LitmusTest, ReadModifyWriteIsNoFence) {
  EXPECT_EQ(
      results({change_x_load_y<std::memory_order_acq_rel>, store_y_load_x<kSeqCst, kSeqCst>}, 2),
      (Results{"00", "01", "10", "11"}));
  EXPECT_EQ(results({change_x_load_y<kSeqCst>, store_y_load_x<kSeqCst, kSeqCst>}, 2),
            (Results{"01", "10", "11"}));
}

// ---- message passing ----

template <std::memory_order order>
void send(World& w) {
  w.x.store(1, kRelaxed);
  w.y.store(1, order);
}
template <std::memory_order order>
void receive(World& w) {
  w.r[0] = w.y.load(order);
  w.r[1] = w.x.load(kRelaxed);
}
TEST(LitmusTest, AMessageIsThereWhenReleasedAndAcquired) {
  EXPECT_EQ(results({send<kRelease>, receive<kAcquire>}, 2), (Results{"00", "01", "11"}));
  EXPECT_EQ(results({send<kRelaxed>, receive<kAcquire>}, 2), (Results{"00", "01", "10", "11"}));
  EXPECT_EQ(results({send<kRelease>, receive<kRelaxed>}, 2), (Results{"00", "01", "10", "11"}));
}

void send_data(World& w) {
  w.data.set(7);
  w.y.store(1, kRelease);
}
template <std::memory_order order>
void pass_on(World& w) {
  if (w.y.load(kRelaxed) == 1) w.y.fetch_add(1, order);
}
template <std::memory_order order>
void overwrite(World& w) {
  if (w.y.load(kRelaxed) == 1) w.y.store(2, order);
}
void take_data(World& w) {
  if (w.y.load(kAcquire) == 2) require(w.data.get() == 7, "no data");
}
TEST(LitmusTest, ReadModifyWriteCarriesAReleaseOnAndAStoreDoesNot) {
  EXPECT_EQ(failure({send_data, pass_on<kRelaxed>, take_data}), "");
  EXPECT_EQ(failure({send_data, overwrite<kRelease>, take_data}), "data race: read beside a write");
}

// ---- coherence, and four threads' worth of it in three ----

void two_values(World& w) {
  w.x.store(1, kRelaxed);
  w.x.store(2, kRelaxed);
}
void look_twice(World& w) {
  w.r[0] = w.x.load(kRelaxed);
  w.r[1] = w.x.load(kRelaxed);
}
TEST(LitmusTest, AThreadNeverSeesAPlaceGoBack) {
  EXPECT_EQ(results({two_values, look_twice}, 2), (Results{"00", "01", "02", "11", "12", "22"}));
}

void count(World& w) { w.x.fetch_add(1, kRelaxed); }
void count_by_exchange(World& w) {
  int seen = w.x.load(kRelaxed);
  while (!w.x.compare_exchange_weak(seen, seen + 1, kRelaxed)) {
  }
}
void tell_count(World& w) { w.r[0] = w.x.load(kRelaxed); }
TEST(LitmusTest, ReadModifyWritesLoseNothing) {
  const auto set_up = [](Execution& run) {
    auto& world = run.keep<World>();
    for (const Body body : {count, count_by_exchange, count_by_exchange}) {
      run.thread([&world, body] { body(world); });
    }
    run.end([&world] { require(world.x.load() == 3, "lost a count"); });
  };
  const Outcome outcome = explore({"count", set_up}, 100'000);
  EXPECT_EQ(outcome.failure, "");
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(results({count, count_by_exchange, tell_count}, 1), (Results{"0", "1", "2"}));
}

// Two writers that know nothing of each other, and two readers that do not agree on who was first:
// the second reader is the first writer's own thread, behind its write.
template <std::memory_order order>
void write_x(World& w) {
  w.x.store(1, order);
}
template <std::memory_order order>
void read_x_y(World& w) {
  w.r[0] = w.x.load(order);
  w.r[1] = w.y.load(order);
}
template <std::memory_order order>
void write_y_read_x(World& w) {
  w.y.store(1, order);
  w.r[2] = w.x.load(order);
}
TEST(LitmusTest, SeqCstIsOneOrderForAll) {
  // r0 = 1, r1 = 0: x before y; r2 = 0: y before x.
  const Results weak =
      results({write_x<kRelease>, read_x_y<kAcquire>, write_y_read_x<kRelease>}, 3);
  EXPECT_TRUE(weak.contains("100"));
  const Results strong = results({write_x<kSeqCst>, read_x_y<kSeqCst>, write_y_read_x<kSeqCst>}, 3);
  EXPECT_FALSE(strong.contains("100"));
  EXPECT_EQ(strong.size(), 7U);
}

// ---- what is left out makes no difference ----

struct Operation {
  int place;
  int kind;  // load, store, change, compare-exchange
  std::memory_order order;
};
using Program = std::vector<std::vector<Operation>>;

Program random_program(std::mt19937& random) {
  static constexpr std::memory_order kLoads[] = {kRelaxed, kAcquire, kSeqCst};
  static constexpr std::memory_order kStores[] = {kRelaxed, kRelease, kSeqCst};
  static constexpr std::memory_order kChanges[] = {kRelaxed, std::memory_order_acq_rel, kSeqCst};
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  Program program(static_cast<std::size_t>(2 + below(2)));
  for (auto& thread : program) {
    for (int i = 1 + below(4 - std::ssize(program) / 3); i > 0; --i) {
      Operation operation{below(2), below(4), kRelaxed};
      const auto* orders = operation.kind == 0 ? kLoads : operation.kind == 1 ? kStores : kChanges;
      operation.order = orders[below(3)];
      thread.push_back(operation);
    }
  }
  return program;
}

Results results(const Program& program, bool every_order) {
  Results all;
  const auto set_up = [&](Execution& run) {
    struct State {
      std::array<Atom<int>, 2> places;
      std::array<std::string, kThreads> seen;
    };
    auto& state = run.keep<State>();
    for (std::size_t t = 0; t < program.size(); ++t) {
      run.thread([&state, &program, t] {
        int next = static_cast<int>(10 * t);
        for (const Operation& operation : program[t]) {
          Atom<int>& place = state.places[static_cast<std::size_t>(operation.place)];
          int seen = 0;
          if (operation.kind == 0) seen = place.load(operation.order);
          if (operation.kind == 1) place.store(++next, operation.order);
          if (operation.kind == 2) seen = place.exchange(++next, operation.order);
          if (operation.kind == 3) (void)place.compare_exchange_weak(seen, ++next, operation.order);
          state.seen[t] += std::to_string(seen) + " ";
        }
      });
    }
    run.end([&] {
      std::string text;
      for (const auto& seen : state.seen) text += seen + "| ";
      for (auto& place : state.places) text += std::to_string(place.load()) + " ";
      all.insert(text);
    });
  };
  const Outcome outcome = explore({"random", set_up}, 10'000'000, every_order);
  EXPECT_TRUE(outcome.complete) << outcome.failure;
  return all;
}

TEST(LitmusTest, OrdersThatAreLeftOutMakeNoDifference) {
  const unsigned seeds = std::getenv("PENSTOCK_FULL") != nullptr ? 30'000 : 500;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    std::mt19937 random(seed);
    const Program program = random_program(random);
    ASSERT_EQ(results(program, false), results(program, true)) << "seed " << seed;
  }
}

// ---- what is no program's right ----

void set_data(World& w) { w.data.set(1); }
void get_data(World& w) { w.r[0] = w.data.get(); }
void set_data_locked(World& w) {
  std::lock_guard lock(w.mutex);
  w.data.set(w.data.get() + 1);
}
TEST(LitmusTest, RacesOfPlainDataAreSeenAndLocksPreventThem) {
  EXPECT_NE(failure({set_data, get_data}), "");
  EXPECT_NE(failure({set_data, set_data}), "");
  EXPECT_EQ(failure({get_data, get_data}), "");
  EXPECT_EQ(failure({set_data_locked, set_data_locked}), "");
  EXPECT_NE(failure({set_data_locked, set_data}), "");
}

struct TwoMutexes {
  Mutex a;
  Mutex b;
};
TEST(LitmusTest, ADeadlockIsSeen) {
  const auto set_up = [](Execution& run) {
    auto& two = run.keep<TwoMutexes>();
    run.thread([&two] {
      std::lock_guard a(two.a);
      std::lock_guard b(two.b);
    });
    run.thread([&two] {
      std::lock_guard b(two.b);
      std::lock_guard a(two.a);
    });
  };
  const Outcome outcome = explore({"deadlock", set_up}, 1000);
  EXPECT_EQ(outcome.failure.substr(0, 16), "nobody can go on");
}

struct Futex {
  Atom<std::uint32_t> word{0};
};
TEST(LitmusTest, AWakeBeforeTheSleepIsLostUnlessTheWordSaysSo) {
  const auto play = [](bool change) {
    return explore({"futex",
                    [change](Execution& run) {
                      auto& futex = run.keep<Futex>();
                      run.thread([&futex] { (void)futex_wait(futex.word, 0, kNoDeadline); });
                      run.thread([&futex, change] {
                        if (change) futex.word.store(1, kRelaxed);
                        futex_wake(futex.word, 1);
                      });
                    }},
                   1000);
  };
  EXPECT_EQ(play(false).failure.substr(0, 16), "nobody can go on");
  EXPECT_TRUE(play(true).complete);
}

struct Short {
  std::optional<World> world{std::in_place};
  Atom<int> done{0};
};
TEST(LitmusTest, WhatIsDestroyedMustNotBeInUse) {
  const auto play = [](std::memory_order order) {
    return explore({"lifetime",
                    [order](Execution& run) {
                      auto& it = run.keep<Short>();
                      run.thread([&it] {
                        it.world->x.store(1, kRelaxed);
                        it.done.store(1, kRelease);
                      });
                      run.thread([&it, order] {
                        while (it.done.load(order) == 0) spin(it.done);
                        it.world.reset();
                      });
                    }},
                   1000);
  };
  EXPECT_TRUE(play(kAcquire).complete);
  EXPECT_EQ(play(kRelaxed).failure.substr(0, 29), "destroyed while another used ");
}

}  // namespace
}  // namespace penstock::interleave
