// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The pool keeps idle blocks in one ring a size class (powers of two). What it is asked for its
// figures follows from the rings' own cursors and from counters that move only when the allocator is
// asked, so a warm acquire and release write nothing shared but the ring and the block's count.
//
// All sizes counted are usable bytes; a block costs kPadding and its header more.
#include "penstock/buffer.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "sync/mpmc_ring.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace penstock {
namespace {

constexpr std::size_t kSmallestClass = 64;
constexpr std::size_t kLargestClass = std::size_t{1} << 40;
// Idle blocks kept of one class, whatever their size: bounds the memory of the rings themselves.
constexpr std::size_t kMaxIdleBlocks = 8192;
constexpr std::uint32_t kUnclassed = std::numeric_limits<std::uint32_t>::max();

// The header lies apart from the data: the data may be memory that the processor cannot reach, and
// a block's overrun cannot reach the header.
struct Block final : Buffer {
  std::uint32_t size_class = kUnclassed;
};

// AddressSanitizer reports who reads or writes a block that nobody leases.
void forbid_access([[maybe_unused]] Block* block) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(block->data, block->size_bytes + BufferPool::kPadding);
#endif
}
void allow_access([[maybe_unused]] Block* block) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(block->data, block->size_bytes + BufferPool::kPadding);
#endif
}

std::size_t class_bytes_of(std::size_t wanted, std::size_t at_least) {
  return std::bit_ceil(std::clamp(wanted, at_least, kLargestClass));
}

}  // namespace

struct BufferPool::Impl {
  Impl(std::unique_ptr<Allocator> source, const BufferPoolOptions& options);
  ~Impl();

  BufferLease acquire(std::size_t size_bytes);
  void give_back(Block* block) noexcept;
  [[nodiscard]] BufferPoolStats stats() const;

  std::unique_ptr<Allocator> allocator;

 private:
  static void release(Buffer* buffer) noexcept {
    static_cast<Impl*>(buffer->owner)->give_back(static_cast<Block*>(buffer));
  }
  Block* create(std::size_t size_bytes, std::uint32_t size_class);
  void* allocate_within_bound(std::size_t size_bytes);
  bool reserve(std::size_t size_bytes);
  Block* pop_idle(std::uint32_t size_class) noexcept;
  bool free_one_idle() noexcept;
  void destroy(Block* block) noexcept;
  [[nodiscard]] std::size_t idle_bytes() const noexcept;
  [[nodiscard]] std::size_t class_bytes(std::size_t index) const {
    return std::size_t{1} << (min_shift_ + static_cast<int>(index));
  }

  const int min_shift_;
  const std::size_t max_class_bytes_;
  const std::size_t max_cached_bytes_;
  const std::size_t max_total_bytes_;
  std::vector<std::unique_ptr<MpmcRing<Block*>>> idle_;  // by size class
  // Counters; each stands alone and orders nothing, so all their operations are relaxed. They move
  // only when the allocator is asked; give_back reads total_bytes_, which so stays shared.
  alignas(kCacheLine) std::atomic<std::size_t> total_bytes_{0};  // out + idle
  std::atomic<std::uint64_t> system_allocs_{0};
  std::atomic<std::uint64_t> trimmed_{0};  // blocks popped to be freed, not to be leased
};

BufferPool::Impl::Impl(std::unique_ptr<Allocator> source, const BufferPoolOptions& options)
    : allocator(std::move(source)),
      min_shift_(std::countr_zero(class_bytes_of(options.min_class_bytes, kSmallestClass))),
      max_class_bytes_(class_bytes_of(options.max_class_bytes, class_bytes(0))),
      max_cached_bytes_(options.max_cached_bytes),
      max_total_bytes_(options.max_total_bytes) {
  for (std::size_t bytes = class_bytes(0); bytes <= max_class_bytes_; bytes <<= 1) {
    const std::size_t blocks = std::min(max_cached_bytes_ / bytes, kMaxIdleBlocks);
    idle_.push_back(std::make_unique<MpmcRing<Block*>>(blocks));
  }
}

BufferPool::Impl::~Impl() {
  while (free_one_idle()) {
  }
  assert(total_bytes_.load() == 0 && "a lease outlived its pool");
}

BufferLease BufferPool::Impl::acquire(std::size_t size_bytes) {
  Block* block = nullptr;
  if (size_bytes <= max_class_bytes_) {
    const std::size_t bytes = std::bit_ceil(std::max(size_bytes, class_bytes(0)));
    const auto index = static_cast<std::uint32_t>(std::countr_zero(bytes) - min_shift_);
    block = pop_idle(index);
    if (block == nullptr) block = create(bytes, index);
  } else {
    block = create(size_bytes, kUnclassed);
  }
  return block == nullptr ? BufferLease() : BufferLease::adopt(block);
}

void BufferPool::Impl::give_back(Block* block) noexcept {
  const std::uint32_t index = block->size_class;
  forbid_access(block);
  if (index == kUnclassed || !idle_[index]->try_push(block)) return destroy(block);
  // `block` may be another thread's by now. While all there is fits in the cache, nothing needs to
  // be added up.
  if (total_bytes_.load(std::memory_order_relaxed) <= max_cached_bytes_) return;
  while (idle_bytes() > max_cached_bytes_) {
    Block* const surplus = pop_idle(index);
    if (surplus == nullptr) return;  // it was leased again
    trimmed_.fetch_add(1, std::memory_order_relaxed);
    destroy(surplus);
  }
}

Block* BufferPool::Impl::pop_idle(std::uint32_t size_class) noexcept {
  Block* block = nullptr;
  if (!idle_[size_class]->try_pop(block)) return nullptr;
  allow_access(block);
  block->refs.store(1, std::memory_order_relaxed);  // ours alone since the pop
  return block;
}

Block* BufferPool::Impl::create(std::size_t size_bytes, std::uint32_t size_class) {
  std::unique_ptr<Block> block(new (std::nothrow) Block);
  if (block == nullptr) return nullptr;
  void* const memory = allocate_within_bound(size_bytes);
  if (memory == nullptr) return nullptr;
  block->data = static_cast<std::byte*>(memory);
  block->size_bytes = size_bytes;
  block->memory = allocator->kind();
  block->release = &Impl::release;
  block->owner = this;
  block->size_class = size_class;
  system_allocs_.fetch_add(1, std::memory_order_relaxed);
  return block.release();
}

// Idle blocks make room before the answer is no, but only when they are enough: a size that can
// never be had must not empty the cache.
void* BufferPool::Impl::allocate_within_bound(std::size_t size_bytes) {
  if (size_bytes > std::numeric_limits<std::ptrdiff_t>::max() - kPadding) return nullptr;
  for (;;) {
    std::size_t spare = 0;
    if (reserve(size_bytes)) {
      void* const memory = allocator->allocate(size_bytes + kPadding);
      if (memory != nullptr) return memory;
      total_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
    } else {
      const std::size_t total = total_bytes_.load(std::memory_order_relaxed);
      spare = max_total_bytes_ - std::min(total, max_total_bytes_);
    }
    const std::size_t idle = idle_bytes();
    if (spare < size_bytes && idle < size_bytes - spare) return nullptr;
    if (!free_one_idle() && spare < size_bytes) return nullptr;
  }
}

bool BufferPool::Impl::reserve(std::size_t size_bytes) {
  std::size_t total = total_bytes_.load(std::memory_order_relaxed);
  do {
    if (size_bytes > max_total_bytes_ - total) return false;
  } while (!total_bytes_.compare_exchange_weak(total, total + size_bytes, std::memory_order_relaxed,
                                               std::memory_order_relaxed));
  return true;
}

bool BufferPool::Impl::free_one_idle() noexcept {
  for (auto index = static_cast<std::uint32_t>(idle_.size()); index-- > 0;) {
    if (Block* const block = pop_idle(index)) {
      trimmed_.fetch_add(1, std::memory_order_relaxed);
      destroy(block);
      return true;
    }
  }
  return false;
}

void BufferPool::Impl::destroy(Block* block) noexcept {
  allow_access(block);
  const std::size_t size_bytes = block->size_bytes;
  allocator->deallocate(block->data, size_bytes + kPadding);
  delete block;
  total_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
}

std::size_t BufferPool::Impl::idle_bytes() const noexcept {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < idle_.size(); ++i) bytes += idle_[i]->approx_size() * class_bytes(i);
  return bytes;
}

BufferPoolStats BufferPool::Impl::stats() const {
  BufferPoolStats stats;
  stats.system_allocs = system_allocs_.load(std::memory_order_relaxed);
  stats.acquired = stats.system_allocs;
  for (const auto& ring : idle_) stats.acquired += ring->popped();
  stats.acquired -= trimmed_.load(std::memory_order_relaxed);
  stats.cached_bytes = idle_bytes();
  const std::uint64_t total = total_bytes_.load(std::memory_order_relaxed);
  stats.in_use_bytes = total - std::min(total, stats.cached_bytes);
  return stats;
}

BufferPool::BufferPool(std::unique_ptr<Allocator> allocator, BufferPoolOptions options)
    : impl_(std::make_unique<Impl>(std::move(allocator), options)) {}
BufferPool::~BufferPool() = default;

BufferLease BufferPool::acquire(std::size_t size_bytes) { return impl_->acquire(size_bytes); }
BufferPoolStats BufferPool::stats() const { return impl_->stats(); }
MemoryKind BufferPool::kind() const { return impl_->allocator->kind(); }

}  // namespace penstock
