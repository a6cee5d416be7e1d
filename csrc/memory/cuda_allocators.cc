// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/cuda_api.h"
#include "memory/device_scope.h"
#include "penstock/cuda.h"

namespace penstock {
namespace {

class PinnedAllocator final : public Allocator {
 public:
  explicit PinnedAllocator(std::shared_ptr<CudaRuntime> runtime) : runtime_(std::move(runtime)) {}

  void* allocate(std::size_t size_bytes) override {
    void* memory = nullptr;  // aligned to a page
    const int error = runtime_->api().host_alloc(&memory, size_bytes, CudaApi::kHostAllocPortable);
    return error == CudaApi::kSuccess ? memory : nullptr;
  }
  void deallocate(void* memory, std::size_t) noexcept override {
    // Fails only when the runtime has gone before us at exit, and the memory with it.
    if (memory != nullptr) runtime_->api().free_host(memory);
  }
  [[nodiscard]] MemoryKind kind() const override { return MemoryKind::kPinned; }

 private:
  const std::shared_ptr<CudaRuntime> runtime_;
};

class DeviceAllocator final : public Allocator {
 public:
  DeviceAllocator(std::shared_ptr<CudaRuntime> runtime, std::int32_t device)
      : runtime_(std::move(runtime)), device_(device) {}

  void* allocate(std::size_t size_bytes) override {
    const DeviceScope scope(*runtime_, device_);
    void* memory = nullptr;  // aligned to 256 bytes
    if (!scope.status().ok()) return nullptr;
    const int error = runtime_->api().malloc(&memory, size_bytes);
    return runtime_->check(error, device_, "cudaMalloc").ok() ? memory : nullptr;
  }
  void deallocate(void* memory, std::size_t) noexcept override {
    if (memory == nullptr) return;
    const DeviceScope scope(*runtime_, device_);
    (void)runtime_->api().free(memory);  // fails only when the device is lost
  }
  [[nodiscard]] MemoryKind kind() const override { return MemoryKind::kGpu; }
  [[nodiscard]] std::int32_t device() const override { return device_; }

 private:
  const std::shared_ptr<CudaRuntime> runtime_;
  const std::int32_t device_;
};

}  // namespace

std::unique_ptr<Allocator> make_pinned_allocator(std::shared_ptr<CudaRuntime> runtime) {
  return std::make_unique<PinnedAllocator>(std::move(runtime));
}

std::unique_ptr<Allocator> make_device_allocator(std::shared_ptr<CudaRuntime> runtime,
                                                 std::int32_t device) {
  return std::make_unique<DeviceAllocator>(std::move(runtime), device);
}

std::uint64_t DevicePools::kept_bytes(std::int32_t device) const {
  const auto found = pool_bytes_.find(device);
  return found == pool_bytes_.end() ? kDefaultBytes : found->second;
}

Result<BufferPool*> DevicePools::pool(std::int32_t device) {
  PENSTOCK_RETURN_IF_ERROR(runtime_->check_device(device));
  const std::lock_guard lock(mutex_);
  auto& pool = pools_[device];
  if (!pool) {
    BufferPoolOptions options;
    options.max_cached_bytes = kept_bytes(device);
    pool = std::make_unique<BufferPool>(make_device_allocator(runtime_, device), options);
  }
  return pool.get();
}

std::vector<DevicePools::Usage> DevicePools::usage() const {
  std::vector<Usage> usage;
  const std::lock_guard lock(mutex_);
  for (const auto& [device, pool] : pools_) {
    usage.push_back({device, kept_bytes(device), pool->stats()});
  }
  return usage;
}

}  // namespace penstock
