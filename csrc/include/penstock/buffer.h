// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Buffer, BufferLease, BufferPool: who keeps bytes alive.
//
// A Buffer is a counted block; a BufferLease is one count, and the last one gives the block back to
// wherever it came from (a pool's size class, a Python object, an ONNX Runtime value, a shared
// mapping). Thread safety: leases may be copied and dropped on any thread; the pool's acquire is
// lock-free once warm. Nothing blocks; release functions never take the GIL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "penstock/ref_count.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock {

struct Buffer {
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;  // usable bytes
  MemoryKind memory = MemoryKind::kCpu;
  std::int32_t device = 0;
  RefCount refs;
  // Called once, on whichever thread dropped the last lease. Must not throw, block or take the GIL.
  void (*release)(Buffer*) noexcept = nullptr;
  void* owner = nullptr;        // for the release function alone
  Buffer* next_free = nullptr;  // for the owner's free list, while no lease is out
};

class BufferLease {
 public:
  BufferLease() = default;
  // Takes over the count that a fresh Buffer is born with.
  static BufferLease adopt(Buffer* buffer) {
    BufferLease lease;
    lease.buffer_ = buffer;
    return lease;
  }
  BufferLease(const BufferLease& other) noexcept : buffer_(other.buffer_) {
    if (buffer_) buffer_->refs.add();
  }
  BufferLease(BufferLease&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferLease& operator=(BufferLease other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~BufferLease() { reset(); }

  void reset() noexcept {
    Buffer* b = std::exchange(buffer_, nullptr);
    if (b && b->refs.drop()) b->release(b);
  }
  [[nodiscard]] Buffer* get() const { return buffer_; }
  Buffer* operator->() const { return buffer_; }
  explicit operator bool() const { return buffer_ != nullptr; }

 private:
  Buffer* buffer_ = nullptr;
};

// A source of raw memory. allocate() returns 64-byte aligned memory or nullptr.
class Allocator {
 public:
  virtual ~Allocator() = default;
  [[nodiscard]] virtual void* allocate(std::size_t size_bytes) = 0;
  virtual void deallocate(void* memory, std::size_t size_bytes) noexcept = 0;
  [[nodiscard]] virtual MemoryKind kind() const = 0;
  // Whose memory it is; of a GPU's alone.
  [[nodiscard]] virtual std::int32_t device() const { return 0; }
};

// Page memory; large blocks are whole mappings.
std::unique_ptr<Allocator> make_page_allocator();

struct BufferPoolOptions {
  std::size_t min_class_bytes = 1024;
  std::size_t max_class_bytes = std::size_t{64} << 20;    // larger: straight from the allocator
  std::size_t max_cached_bytes = std::size_t{256} << 20;  // idle bytes kept; over it: given back
  std::size_t max_total_bytes = SIZE_MAX;                 // out + idle; over it acquire says no
};

struct BufferPoolStats {
  std::uint64_t acquired = 0;       // leases ever handed out
  std::uint64_t system_allocs = 0;  // of those, how many had to ask the allocator
  std::uint64_t cached_bytes = 0;
  std::uint64_t in_use_bytes = 0;
};

// Size-classed reuse. Must outlive every lease it handed out.
class BufferPool {
 public:
  BufferPool(std::unique_ptr<Allocator> allocator, BufferPoolOptions options);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // At least size_bytes, 64-byte aligned, with at least kPadding readable bytes behind it (simdjson
  // reads past the end). An empty lease when memory or the bound is exhausted.
  [[nodiscard]] BufferLease acquire(std::size_t size_bytes);
  [[nodiscard]] BufferPoolStats stats() const;
  [[nodiscard]] MemoryKind kind() const;
  static constexpr std::size_t kPadding = 64;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock
