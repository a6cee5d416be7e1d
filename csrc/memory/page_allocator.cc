// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#include "penstock/buffer.h"

namespace penstock {
namespace {

constexpr std::size_t kAlignment = 64;
// From here on a block is a mapping of its own: given back, it leaves the process at once, where
// the heap would keep it.
constexpr std::size_t kMappingBytes = std::size_t{256} << 10;

class PageAllocator final : public Allocator {
 public:
  void* allocate(std::size_t size_bytes) override {
    if (size_bytes >= kMappingBytes) return map(size_bytes);
    const std::size_t rounded = (size_bytes + kAlignment - 1) & ~(kAlignment - 1);
    return std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
  }

  void deallocate(void* memory, std::size_t size_bytes) noexcept override {
    if (memory == nullptr) return;
    if (size_bytes >= kMappingBytes) {
      munmap(memory, size_bytes);
    } else {
      std::free(memory);
    }
  }

  [[nodiscard]] MemoryKind kind() const override { return MemoryKind::kCpu; }

 private:
  static void* map(std::size_t size_bytes) {
    if (size_bytes > PTRDIFF_MAX) return nullptr;  // no object is larger
    void* memory =
        mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
  }
};

}  // namespace

std::unique_ptr<Allocator> make_page_allocator() { return std::make_unique<PageAllocator>(); }

}  // namespace penstock
