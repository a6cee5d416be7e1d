// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The sync room, in ns an operation, beside the floor of a mutex around a deque. Aims: ring
// push+pop
// <= 20 ns uncontended; notify without a waiter a few ns.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "penstock/completion.h"
#include "sync/mpmc_ring.h"
#include "sync/parker.h"

namespace penstock {
namespace {

struct MutexDeque {
  explicit MutexDeque(std::size_t capacity) : capacity_(capacity) {}
  bool try_push(std::uint64_t value) {
    const std::lock_guard lock(mutex_);
    if (values_.size() == capacity_) return false;
    values_.push_back(value);
    return true;
  }
  bool try_pop(std::uint64_t& value) {
    const std::lock_guard lock(mutex_);
    if (values_.empty()) return false;
    value = values_.front();
    values_.pop_front();
    return true;
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::deque<std::uint64_t> values_;
};

// Every thread pushes one and pops one: with one thread nobody is in the way, with more everybody.
template <typename Queue>
void push_pop(benchmark::State& state) {
  static Queue queue(1024);
  std::uint64_t value = 0;
  for (auto _ : state) {
    while (!queue.try_push(value)) {
    }
    while (!queue.try_pop(value)) {
    }
    benchmark::DoNotOptimize(value);
  }
}
BENCHMARK(push_pop<MpmcRing<std::uint64_t>>)
    ->Name("ring/push_pop")
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();
BENCHMARK(push_pop<MutexDeque>)
    ->Name("mutex_deque/push_pop")
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

// One thread pushes, the other pops: what a model's queue sees.
template <typename Queue>
void hand_over(benchmark::State& state) {
  static Queue queue(1024);
  std::uint64_t value = 0;
  for (auto _ : state) {
    if (state.thread_index() == 0) {
      while (!queue.try_push(value)) std::this_thread::yield();
    } else {
      while (!queue.try_pop(value)) std::this_thread::yield();
    }
  }
}
BENCHMARK(hand_over<MpmcRing<std::uint64_t>>)->Name("ring/hand_over")->Threads(2)->UseRealTime();
BENCHMARK(hand_over<MutexDeque>)->Name("mutex_deque/hand_over")->Threads(2)->UseRealTime();

void notify_without_waiter(benchmark::State& state) {
  Parker parker;
  for (auto _ : state) {
    parker.notify_one();
    benchmark::ClobberMemory();
  }
}
BENCHMARK(notify_without_waiter)->Name("parker/notify_without_waiter");

void cancelled_wait(benchmark::State& state) {
  Parker parker;
  for (auto _ : state) {
    benchmark::DoNotOptimize(parker.prepare_wait());
    parker.cancel_wait();
  }
}
BENCHMARK(cancelled_wait)->Name("parker/prepare_cancel");

// Sleep and wake-up of another thread, there and back: two wake-ups an iteration.
void round_trip(benchmark::State& state) {
  Parker there, back;
  std::atomic<std::uint64_t> request{0}, reply{0};
  const auto wait_beyond = [](Parker& parker, std::atomic<std::uint64_t>& word, std::uint64_t old) {
    while (word.load() == old) {
      const Parker::Key key = parker.prepare_wait();
      if (word.load() != old) return parker.cancel_wait();
      (void)parker.wait(key);
    }
  };
  std::thread echo([&] {
    for (std::uint64_t seen = 0; seen != UINT64_MAX;) {
      wait_beyond(there, request, seen);
      seen = request.load();
      reply.store(seen);
      back.notify_one();
    }
  });
  std::uint64_t round = 0;
  for (auto _ : state) {
    request.store(++round);
    there.notify_one();
    wait_beyond(back, reply, round - 1);
  }
  request.store(UINT64_MAX);
  there.notify_one();
  echo.join();
}
BENCHMARK(round_trip)->Name("parker/round_trip")->UseRealTime();

// A burst of completions pushed one by one, or as one chain, and taken at once; ns a burst.
void complete(benchmark::State& state, bool chained) {
  WakeFd wake_fd;
  CompletionRing ring(wake_fd);
  CompletionNode nodes[64];
  const auto burst = static_cast<std::size_t>(state.range(0));
  ring.push(nodes);  // disarms the ring, as while its owner is awake
  (void)ring.take_all();
  for (auto _ : state) {
    if (chained) {
      for (std::size_t i = 0; i + 1 < burst; ++i) nodes[i].next = &nodes[i + 1];
      ring.push_chain(&nodes[0], &nodes[burst - 1]);
    } else {
      for (std::size_t i = 0; i < burst; ++i) ring.push(&nodes[i]);
    }
    benchmark::DoNotOptimize(ring.take_all());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(complete, single, false)->Name("completion/push_take")->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(complete, chain, true)->Name("completion/push_chain_take")->Arg(1)->Arg(16);

void completion_with_wake(benchmark::State& state) {
  WakeFd wake_fd;
  CompletionRing ring(wake_fd);
  CompletionNode node;
  for (auto _ : state) {
    ring.arm();
    ring.push(&node);
    wake_fd.drain();
    benchmark::DoNotOptimize(ring.take_all());
  }
}
BENCHMARK(completion_with_wake)->Name("completion/arm_push_wake_drain_take");

}  // namespace
}  // namespace penstock
