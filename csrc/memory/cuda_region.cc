// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <cstring>
#include <memory>

#include "memory/cuda_api.h"
#include "memory/device_scope.h"
#include "penstock/shared_regions.h"

namespace penstock {
namespace {

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

struct OpenedMemory {
  Buffer buffer;
  std::shared_ptr<CudaRuntime> cuda;

  static void release(Buffer* buffer) noexcept {
    const std::unique_ptr<OpenedMemory> opened(static_cast<OpenedMemory*>(buffer->owner));
    const DeviceScope scope(*opened->cuda, buffer->device);
    // Fails only when the device is lost, and the mapping with it.
    if (scope.status().ok()) (void)opened->cuda->api().ipc_close(buffer->data);
  }
};

// A client may say more than it has: reading past the end would cost the device.
Status check_size(const CudaRuntime& cuda, std::string_view name, const Buffer& buffer) {
  const auto get_address_range = cuda.api().get_address_range;
  unsigned long long base = 0;
  std::size_t size_bytes = 0;
  const auto address = reinterpret_cast<unsigned long long>(buffer.data);
  const int error = get_address_range(&base, &size_bytes, address);
  if (error != CudaApi::kSuccess) {
    return internal_error("failed to register CUDA shared memory region: " + quoted(name) +
                          ", the driver does not know how large it is (error " +
                          std::to_string(error) + ")");
  }
  const std::size_t before = address - base;
  if (size_bytes >= before && buffer.size_bytes <= size_bytes - before) return {};
  return invalid_arg("failed to register shared memory region " + quoted(name) + ": invalid args");
}

}  // namespace

Result<BufferLease> open_cuda_region(const std::shared_ptr<CudaRuntime>& cuda,
                                     std::string_view name, std::string_view handle,
                                     std::int64_t device, std::uint64_t size_bytes) {
  if (cuda == nullptr || cuda->api().get_address_range == nullptr) {
    return invalid_arg("failed to register CUDA shared memory region: " + quoted(name) +
                       ", GPUs not supported");
  }
  if (device < 0 || device >= cuda->device_count() || size_bytes == 0 ||
      handle.size() != sizeof(CudaIpcHandle)) {
    return invalid_arg("failed to register shared memory region: invalid args");
  }
  const auto number = static_cast<std::int32_t>(device);
  if (Status s = cuda->lost(number); !s.ok()) return s;
  CudaIpcHandle ipc{};
  std::memcpy(ipc.bytes.data(), handle.data(), handle.size());
  const DeviceScope scope(*cuda, number);
  if (!scope.status().ok()) return scope.status();
  void* memory = nullptr;
  const int error = cuda->api().ipc_open(&memory, ipc, CudaApi::kLazyEnablePeerAccess);
  if (Status s = cuda->check(error, number, "cudaIpcOpenMemHandle"); !s.ok()) {
    // What is not the device's fault is the handle's.
    const Code code = s.code() == Code::kInternal ? Code::kInvalidArg : s.code();
    return Status(
        code, "failed to register CUDA shared memory region " + quoted(name) + ": " + s.message());
  }
  auto* opened = new OpenedMemory{{}, cuda};
  opened->buffer.data = static_cast<std::byte*>(memory);
  opened->buffer.size_bytes = size_bytes;
  opened->buffer.memory = MemoryKind::kGpu;
  opened->buffer.device = number;
  opened->buffer.release = OpenedMemory::release;
  opened->buffer.owner = opened;
  BufferLease lease = BufferLease::adopt(&opened->buffer);
  if (Status s = check_size(*cuda, name, *lease.get()); !s.ok()) return s;
  return lease;
}

}  // namespace penstock
