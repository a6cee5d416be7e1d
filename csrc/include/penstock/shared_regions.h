// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SharedRegions: memory of clients, by name, that requests read their inputs from and have their
// outputs written to (contract 1.9).
//
// A region is a Buffer: whoever makes one says how it is let go. Thread safety: every method from
// any thread. Ownership: the table holds one lease of a region and every window another, so that a
// region that was removed stays until the last request is done with it. Opening a region blocks,
// nothing else does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/buffer.h"
#include "penstock/cuda.h"
#include "penstock/status.h"

namespace penstock {

enum class RegionKind : std::uint8_t { kSystem, kCuda };

// What its client said of a region.
struct RegionInfo {
  RegionKind kind = RegionKind::kSystem;
  std::string name;
  std::string key;           // kSystem
  std::uint64_t offset = 0;  // kSystem
  std::int64_t device = 0;   // kCuda
  std::uint64_t size_bytes = 0;
};

// A part of a region. Empty: no lease.
struct RegionWindow {
  BufferLease lease;
  std::byte* data = nullptr;
  std::uint64_t size_bytes = 0;

  [[nodiscard]] bool held() const { return static_cast<bool>(lease); }
};

class SharedRegions {
 public:
  // `cuda` may be null: copies from and to GPUs are refused then.
  explicit SharedRegions(std::shared_ptr<CudaRuntime> cuda) : cuda_(std::move(cuda)) {}

  // ALREADY_EXISTS, whatever kind has the name (SHM-2).
  [[nodiscard]] Status add(RegionInfo info, BufferLease memory);
  // Says so before a region is opened in vain.
  [[nodiscard]] Status check_new(std::string_view name) const;
  // SHM-5: a name that nobody has is fine; NOT_FOUND for one of the other kind.
  [[nodiscard]] Status remove(RegionKind kind, std::string_view name);
  void remove_all(RegionKind kind);
  // By name. Empty `name`: all of the kind; else NOT_FOUND in the words of SHM-4.
  [[nodiscard]] Result<std::vector<RegionInfo>> list(RegionKind kind, std::string_view name) const;

  // SHM-6. INVALID_ARG and NOT_FOUND in its words.
  [[nodiscard]] Result<RegionWindow> window(std::string_view name, std::uint64_t offset,
                                            std::uint64_t size_bytes) const;
  // Between a window and host memory, wherever the window is; waits for it.
  [[nodiscard]] Status read(const RegionWindow& window, std::byte* to) const;
  [[nodiscard]] Status write(const RegionWindow& window, const std::byte* from,
                             std::size_t size_bytes) const;

 private:
  struct Region {
    RegionInfo info;
    BufferLease memory;
  };
  [[nodiscard]] Status copy(std::int32_t device, void* to, const void* from,
                            std::size_t size_bytes) const;
  [[nodiscard]] Status check_new_locked(std::string_view name) const;

  const std::shared_ptr<CudaRuntime> cuda_;
  mutable std::mutex mutex_;
  std::map<std::string, Region, std::less<>> regions_;  // under mutex_
};

// SHM-3: memory of another process, by its cudaIpcMemHandle_t. `cuda` null: UNSUPPORTED, by name.
[[nodiscard]] Result<BufferLease> open_cuda_region(const std::shared_ptr<CudaRuntime>& cuda,
                                                   std::string_view name, std::string_view handle,
                                                   std::int64_t device, std::uint64_t size_bytes);

}  // namespace penstock
