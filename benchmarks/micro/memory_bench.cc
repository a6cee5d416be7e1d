// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The memory room, in ns an acquire + release, beside malloc + free. Aim: <= 40 ns warm, and no
// system allocation. The `touched` pairs also write the block once, as every real use does: that is
// where a fresh mapping costs its page faults.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "penstock/buffer.h"

namespace penstock {
namespace {

constexpr std::int64_t kPage = 4096;

void pool(benchmark::State& state, bool touch) {
  static BufferPool pool(make_page_allocator(), {});
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::uint64_t before = pool.stats().system_allocs;
  for (auto _ : state) {
    const BufferLease lease = pool.acquire(size);
    if (touch) std::memset(lease->data, 1, size);
    benchmark::DoNotOptimize(lease->data);
  }
  state.counters["system_allocs"] = static_cast<double>(pool.stats().system_allocs - before);
}

void heap(benchmark::State& state, bool touch) {
  const auto size = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    void* memory = std::malloc(size);
    if (touch) std::memset(memory, 1, size);
    benchmark::DoNotOptimize(memory);
    std::free(memory);
  }
}

BENCHMARK_CAPTURE(pool, untouched, false)
    ->Name("pool/acquire_release")
    ->Arg(1 << 10)
    ->Arg(64 << 10)
    ->Arg(1 << 20)
    ->Arg(16 << 20);
BENCHMARK_CAPTURE(heap, untouched, false)
    ->Name("malloc/malloc_free")
    ->Arg(1 << 10)
    ->Arg(64 << 10)
    ->Arg(1 << 20)
    ->Arg(16 << 20);
BENCHMARK_CAPTURE(pool, touched, true)
    ->Name("pool/acquire_write_release")
    ->Arg(1 << 10)
    ->Arg(600 << 10)
    ->Arg(16 << 20);
BENCHMARK_CAPTURE(heap, touched, true)
    ->Name("malloc/malloc_write_free")
    ->Arg(1 << 10)
    ->Arg(600 << 10)
    ->Arg(16 << 20);
BENCHMARK_CAPTURE(pool, contended, false)
    ->Name("pool/acquire_release")
    ->Arg(1 << 10)
    ->Threads(2)
    ->UseRealTime();
BENCHMARK_CAPTURE(heap, contended, false)
    ->Name("malloc/malloc_free")
    ->Arg(1 << 10)
    ->Threads(2)
    ->UseRealTime();

// After a burst many blocks are idle; the next leases should not walk through all of them.
void pool_after_burst(benchmark::State& state) {
  BufferPool pool(make_page_allocator(), {});
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<BufferLease> burst;
  for (std::int64_t i = 0; i < state.range(1); ++i) {
    burst.push_back(pool.acquire(size));
    std::memset(burst.back()->data, 1, size);
  }
  burst.clear();
  for (auto _ : state) {
    const BufferLease lease = pool.acquire(size);
    std::memset(lease->data, 1, size);
    benchmark::DoNotOptimize(lease->data);
  }
}
BENCHMARK(pool_after_burst)
    ->Name("pool/write_after_burst_of")
    ->Args({kPage, 1})
    ->Args({kPage, 256})
    ->Args({600 << 10, 1})
    ->Args({600 << 10, 16})
    ->Args({600 << 10, 128});

}  // namespace
}  // namespace penstock
