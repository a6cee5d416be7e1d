// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// One free list a size class (powers of two). The last block given back is the next one handed out:
// its data is still in the cache (600 KiB written after a burst of 128: 6 us, in queue order 23
// us). Counters are kept where their cache line is written anyway, sums are made by those who ask.
//
// All sizes counted are usable bytes; a block costs kPadding and its header more.
#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <memory>

#include "memory/block_table.h"
#include "penstock/buffer.h"
#include "sync/cache_line.h"
#include "sync/tagged_stack.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace penstock {
namespace {

constexpr std::size_t kSmallestClass = 64;
constexpr std::size_t kLargestClass = std::size_t{1} << 40;

// AddressSanitizer reports who reads or writes a block that nobody leases.
void forbid_access([[maybe_unused]] const Block& block) {
#if defined(__SANITIZE_ADDRESS__)
  if (block.memory == MemoryKind::kGpu) return;
  __asan_poison_memory_region(block.data, block.size_bytes + BufferPool::kPadding);
#endif
}
void allow_access([[maybe_unused]] const Block& block) {
#if defined(__SANITIZE_ADDRESS__)
  if (block.memory == MemoryKind::kGpu) return;
  __asan_unpoison_memory_region(block.data, block.size_bytes + BufferPool::kPadding);
#endif
}

std::size_t class_bytes(std::size_t wanted, std::size_t at_least) {
  return std::bit_ceil(std::clamp(wanted, at_least, kLargestClass));
}

}  // namespace

struct BufferPool::Impl {
  Impl(std::unique_ptr<Allocator> source, const BufferPoolOptions& options);
  ~Impl();

  BufferLease acquire(std::size_t size_bytes);
  [[nodiscard]] BufferPoolStats stats() const;

  const std::unique_ptr<Allocator> allocator;

 private:
  // The counters here and below stand alone and order nothing, so they are relaxed.
  struct alignas(kCacheLine) SizeClass {
    TaggedStack<> idle;
    std::atomic<std::uint64_t> pushed{0};
    std::atomic<std::uint64_t> popped{0};
    std::size_t bytes = 0;
    Impl* pool = nullptr;

    [[nodiscard]] std::size_t idle_bytes() const {
      // relaxed: pairs with nothing; what moves in between is caught below
      const std::uint64_t out = popped.load(std::memory_order_relaxed);
      const std::uint64_t in = pushed.load(std::memory_order_relaxed);
      return in > out ? (in - out) * bytes : 0;  // less: counted while others were between the two
    }
  };

  static void release(Buffer* buffer) noexcept {
    auto* const size_class = static_cast<SizeClass*>(buffer->owner);
    size_class->pool->give_back(*static_cast<Block*>(buffer), *size_class);
  }
  void give_back(Block& block, SizeClass& size_class) noexcept;
  Block* pop_idle(SizeClass& size_class) noexcept;
  Block* create(std::size_t size_bytes, SizeClass& size_class);
  void destroy(Block& block) noexcept;
  Block* take_header() noexcept;
  void put_header(Block& block) noexcept;
  void* allocate_within_bound(std::size_t size_bytes);
  bool reserve(std::size_t size_bytes);
  bool free_one_idle() noexcept;
  void trim(SizeClass& size_class) noexcept;
  [[nodiscard]] std::size_t idle_bytes() const noexcept;
  auto links() noexcept {
    return [this](std::uint32_t number) -> auto& { return table_[number].link; };
  }

  const std::size_t min_class_bytes_;
  const std::size_t max_class_bytes_;
  const std::size_t max_cached_bytes_;
  const std::size_t max_total_bytes_;
  const std::size_t class_count_;
  // The last, behind class_count_, is that of the blocks too large to be kept.
  const std::unique_ptr<SizeClass[]> classes_;
  BlockTable table_;
  // Move only when the allocator is asked; until then every core may keep the line.
  alignas(kCacheLine) std::atomic<std::size_t> total_bytes_{0};  // out + idle
  std::atomic<std::uint64_t> system_allocs_{0};
  std::atomic<std::uint64_t> trimmed_{0};  // blocks popped to be freed, not to be leased
  TaggedStack<> spare_headers_;
};

BufferPool::Impl::Impl(std::unique_ptr<Allocator> source, const BufferPoolOptions& options)
    : allocator(std::move(source)),
      min_class_bytes_(class_bytes(options.min_class_bytes, kSmallestClass)),
      max_class_bytes_(class_bytes(options.max_class_bytes, min_class_bytes_)),
      max_cached_bytes_(options.max_cached_bytes),
      max_total_bytes_(options.max_total_bytes),
      class_count_(static_cast<std::size_t>(std::bit_width(max_class_bytes_ / min_class_bytes_))),
      classes_(std::make_unique<SizeClass[]>(class_count_ + 1)) {
  for (std::size_t i = 0; i <= class_count_; ++i) {
    classes_[i].bytes = min_class_bytes_ << i;
    classes_[i].pool = this;
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
    const std::size_t bytes = std::bit_ceil(std::max(size_bytes, min_class_bytes_));
    SizeClass& size_class = classes_[std::bit_width(bytes / min_class_bytes_) - 1];
    block = pop_idle(size_class);
    if (block == nullptr) block = create(bytes, size_class);
  } else {
    block = create(size_bytes, classes_[class_count_]);
  }
  return block == nullptr ? BufferLease() : BufferLease::adopt(block);
}

void BufferPool::Impl::give_back(Block& block, SizeClass& size_class) noexcept {
  if (&size_class == &classes_[class_count_]) return destroy(block);
  forbid_access(block);
  size_class.pushed.fetch_add(1, std::memory_order_relaxed);  // relaxed: a lone counter
  size_class.idle.push(block.number, links());
  // While all there is fits in the cache, nothing needs to be added up.
  if (total_bytes_.load(std::memory_order_relaxed) > max_cached_bytes_) trim(size_class);
}

void BufferPool::Impl::trim(SizeClass& size_class) noexcept {
  while (idle_bytes() > max_cached_bytes_) {
    Block* const surplus = pop_idle(size_class);
    if (surplus == nullptr) return;  // leased again meanwhile
    trimmed_.fetch_add(1, std::memory_order_relaxed);
    destroy(*surplus);
  }
}

Block* BufferPool::Impl::pop_idle(SizeClass& size_class) noexcept {
  const std::uint32_t number = size_class.idle.pop(links());
  if (number == TaggedStack<>::kNone) return nullptr;
  size_class.popped.fetch_add(1, std::memory_order_relaxed);  // relaxed: a lone counter
  Block& block = table_[number];
  allow_access(block);
  block.refs.reset(1);  // ours alone since the pop
  return &block;
}

Block* BufferPool::Impl::create(std::size_t size_bytes, SizeClass& size_class) {
  Block* const block = take_header();
  if (block == nullptr) return nullptr;
  block->data = static_cast<std::byte*>(allocate_within_bound(size_bytes));
  if (block->data == nullptr) {
    put_header(*block);
    return nullptr;
  }
  block->size_bytes = size_bytes;
  block->memory = allocator->kind();
  block->device = allocator->device();
  block->refs.reset(1);  // ours alone
  block->release = &Impl::release;
  block->owner = &size_class;
  system_allocs_.fetch_add(1, std::memory_order_relaxed);
  return block;
}

void BufferPool::Impl::destroy(Block& block) noexcept {
  const std::size_t size_bytes = block.size_bytes;
  allocator->deallocate(block.data, size_bytes + kPadding);
  put_header(block);
  total_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);  // relaxed: a lone counter
}

Block* BufferPool::Impl::take_header() noexcept {
  const std::uint32_t number = spare_headers_.pop(links());
  return number == TaggedStack<>::kNone ? table_.add() : &table_[number];
}

void BufferPool::Impl::put_header(Block& block) noexcept {
  spare_headers_.push(block.number, links());
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
      total_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);  // relaxed: a lone counter
    } else {
      spare = max_total_bytes_ - total_bytes_.load(std::memory_order_relaxed);
      if (spare >= size_bytes) continue;  // another thread has just made room
    }
    if (spare + idle_bytes() < size_bytes || !free_one_idle()) return nullptr;
  }
}

bool BufferPool::Impl::reserve(std::size_t size_bytes) {
  std::size_t total = total_bytes_.load(std::memory_order_relaxed);  // relaxed: a lone counter
  do {
    if (size_bytes > max_total_bytes_ - total) return false;
  } while (!total_bytes_.compare_exchange_weak(total, total + size_bytes, std::memory_order_relaxed,
                                               std::memory_order_relaxed));
  return true;
}

bool BufferPool::Impl::free_one_idle() noexcept {
  for (std::size_t i = class_count_; i-- > 0;) {  // the largest first
    if (Block* const block = pop_idle(classes_[i])) {
      trimmed_.fetch_add(1, std::memory_order_relaxed);
      destroy(*block);
      return true;
    }
  }
  return false;
}

std::size_t BufferPool::Impl::idle_bytes() const noexcept {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < class_count_; ++i) bytes += classes_[i].idle_bytes();
  return bytes;
}

BufferPoolStats BufferPool::Impl::stats() const {
  BufferPoolStats stats;
  // relaxed: a lone counter
  const std::uint64_t trimmed = trimmed_.load(std::memory_order_relaxed);
  stats.system_allocs = system_allocs_.load(std::memory_order_relaxed);
  stats.acquired = stats.system_allocs - trimmed;
  for (std::size_t i = 0; i < class_count_; ++i) {
    stats.acquired += classes_[i].popped.load(std::memory_order_relaxed);
  }
  stats.cached_bytes = idle_bytes();
  // relaxed: a lone counter
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
