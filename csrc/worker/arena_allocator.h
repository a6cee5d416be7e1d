// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ArenaAllocator: the memory of a BufferPool whose blocks another process reads: pieces of one
// arena, first fit. Pages are asked for as the arena fills, `growth_bytes` at a time, and given
// back from its end; `initial_bytes` stay. What it knows of its pieces lies in private memory: the
// other process can spoil bytes, never the allocator.
//
// Thread safety: all methods, any thread, under a lock; a pool asks only when it is not warm.
// Ownership: keeps the mapping. Nothing blocks but the lock.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "penstock/buffer.h"
#include "worker/shared_memory.h"

namespace penstock::worker {

struct ArenaOptions {
  std::size_t initial_bytes = std::size_t{1} << 20;
  std::size_t growth_bytes = std::size_t{1} << 20;
};

class ArenaAllocator final : public Allocator {
 public:
  ArenaAllocator(std::shared_ptr<SharedMemory> memory, bool to_server, ArenaOptions options);

  [[nodiscard]] void* allocate(std::size_t size_bytes) override;
  void deallocate(void* memory, std::size_t size_bytes) noexcept override;
  [[nodiscard]] MemoryKind kind() const override { return MemoryKind::kCpu; }

  // Bytes of pages that the arena has from the system.
  [[nodiscard]] std::size_t committed_bytes() const;

 private:
  [[nodiscard]] bool reach(std::size_t end);
  void shrink() noexcept;
  [[nodiscard]] std::size_t grown_to(std::size_t end) const;

  const std::shared_ptr<SharedMemory> memory_;
  std::byte* const base_;
  const std::size_t size_bytes_;
  const ArenaOptions options_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::size_t> free_;  // offset -> bytes; none touches the next
  std::size_t committed_ = 0;                // from the arena's beginning
};

}  // namespace penstock::worker
