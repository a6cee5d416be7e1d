// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// CudaRuntime, CudaStream, CudaEvent, DevicePools: GPUs by CUDA's runtime, which is opened when it
// is asked for and never linked.
//
// Thread safety: CudaRuntime and DevicePools from any thread; a stream or an event from one thread
// at a time. Ownership: streams, events and pools share the runtime. The library is never closed:
// it has threads and exit handlers of its own. synchronize(), allocating and freeing block; so does
// a copy from or to host memory that is not page-locked.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "penstock/buffer.h"
#include "penstock/status.h"

namespace penstock {

struct CudaApi;

class CudaRuntime {
 public:
  static constexpr std::int32_t kMaxDevices = 64;

  // The first of `libraries` that works (empty: the usual names). An error says what was tried.
  [[nodiscard]] static Result<std::shared_ptr<CudaRuntime>> open(
      const std::vector<std::string>& libraries = {});
  ~CudaRuntime();
  CudaRuntime(const CudaRuntime&) = delete;
  CudaRuntime& operator=(const CudaRuntime&) = delete;

  [[nodiscard]] std::int32_t device_count() const { return device_count_; }
  // INVALID_ARG for a number that no device has.
  [[nodiscard]] Status check_device(std::int32_t device) const;
  // What this thread's calls are about from now on.
  [[nodiscard]] Status use(std::int32_t device);
  [[nodiscard]] Result<std::int32_t> device_in_use();
  // Waits for what the default stream of the device in use was given.
  [[nodiscard]] Status synchronize();
  // OK for 0; else "GPU <device>: <function>: <CUDA's words> (<error>)": UNAVAILABLE when memory
  // has run out or the device is lost, which is remembered, else INTERNAL.
  [[nodiscard]] Status check(int error, std::int32_t device, const char* function);
  // From now on the device is lost, for this reason; the first one stays.
  void lose(std::int32_t device, std::string why);
  // UNAVAILABLE, and why, once a call has told that the device is lost: CUDA gives it back to no
  // process that had it.
  [[nodiscard]] Status lost(std::int32_t device) const;

  struct Memory {
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
  };
  [[nodiscard]] Result<Memory> memory(std::int32_t device);
  // Copies between any two memories, and waits for it. `device`: one that has to do with it.
  [[nodiscard]] Status copy(std::int32_t device, void* to, const void* from,
                            std::size_t size_bytes);

  // For the sources of this room.
  [[nodiscard]] const CudaApi& api() const { return *api_; }

 private:
  CudaRuntime(const CudaApi& api, std::int32_t device_count);
  [[nodiscard]] static Result<std::shared_ptr<CudaRuntime>> open_one(const std::string& path);

  const std::unique_ptr<const CudaApi> api_;
  const std::int32_t device_count_;
  std::array<std::atomic<bool>, kMaxDevices> lost_{};
  mutable std::mutex mutex_;
  std::map<std::int32_t, std::string> why_lost_;  // under mutex_
};

// What was put on a stream when it was recorded.
class CudaEvent {
 public:
  [[nodiscard]] static Result<std::unique_ptr<CudaEvent>> create(
      std::shared_ptr<CudaRuntime> runtime, std::int32_t device);
  ~CudaEvent();
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // Waits until that is done; at once when it was never recorded.
  [[nodiscard]] Status synchronize();
  [[nodiscard]] void* get() const { return event_; }

 private:
  CudaEvent(std::shared_ptr<CudaRuntime> runtime, std::int32_t device, void* event)
      : runtime_(std::move(runtime)), device_(device), event_(event) {}

  const std::shared_ptr<CudaRuntime> runtime_;
  const std::int32_t device_;
  void* const event_;
};

// Work of a device, done in the order in which it came.
class CudaStream {
 public:
  [[nodiscard]] static Result<std::unique_ptr<CudaStream>> create(
      std::shared_ptr<CudaRuntime> runtime, std::int32_t device);
  // What is on it is done first.
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  // Between any two memories, which must stay until the stream has come there.
  [[nodiscard]] Status copy(void* to, const void* from, std::size_t size_bytes);
  [[nodiscard]] Status record(CudaEvent& event);
  [[nodiscard]] Status synchronize();
  // After an error: until nothing is on its way, so that its memory may be somebody else's. CUDA
  // may tell an earlier call's error once; a stream that fails again is its device's end.
  void drain();
  [[nodiscard]] std::int32_t device() const { return device_; }
  // A cudaStream_t.
  [[nodiscard]] void* get() const { return stream_; }

 private:
  CudaStream(std::shared_ptr<CudaRuntime> runtime, std::int32_t device, void* stream)
      : runtime_(std::move(runtime)), device_(device), stream_(stream) {}

  const std::shared_ptr<CudaRuntime> runtime_;
  const std::int32_t device_;
  void* const stream_;
};

// Page-locked host memory, which every device reads and writes by itself.
std::unique_ptr<Allocator> make_pinned_allocator(std::shared_ptr<CudaRuntime> runtime);
// Memory of a device.
std::unique_ptr<Allocator> make_device_allocator(std::shared_ptr<CudaRuntime> runtime,
                                                 std::int32_t device);

// A pool of each device's memory, made when it is first asked for. Must outlive every lease.
class DevicePools {
 public:
  static constexpr std::uint64_t kDefaultBytes = std::uint64_t{64} << 20;

  // `pool_bytes`: idle bytes that a device's pool keeps, where it is not kDefaultBytes.
  DevicePools(std::shared_ptr<CudaRuntime> runtime,
              std::map<std::int32_t, std::uint64_t> pool_bytes)
      : runtime_(std::move(runtime)), pool_bytes_(std::move(pool_bytes)) {}

  [[nodiscard]] Result<BufferPool*> pool(std::int32_t device);
  [[nodiscard]] const std::shared_ptr<CudaRuntime>& runtime() const { return runtime_; }

  struct Usage {
    std::int32_t device = 0;
    std::uint64_t pool_bytes = 0;
    BufferPoolStats stats;
  };
  // Of the pools that were asked for, by device.
  [[nodiscard]] std::vector<Usage> usage() const;

 private:
  [[nodiscard]] std::uint64_t kept_bytes(std::int32_t device) const;

  const std::shared_ptr<CudaRuntime> runtime_;
  const std::map<std::int32_t, std::uint64_t> pool_bytes_;
  mutable std::mutex mutex_;
  std::map<std::int32_t, std::unique_ptr<BufferPool>> pools_;  // under mutex_
};

}  // namespace penstock
