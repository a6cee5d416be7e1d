// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say about GPUs and shared memory. See shim.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shim.h"

namespace penstock::binding {

// -1: the tensor is in the host's memory.
inline std::int32_t device_of(const TensorView& view) {
  return view.memory == MemoryKind::kGpu ? view.device : -1;
}
inline void place_on_host(TensorView& view, const BufferLease& memory) {
  view.memory = memory->memory;
  view.device = 0;
}
inline void place_on_device(TensorView& view, std::int32_t device) {
  view.memory = MemoryKind::kGpu;
  view.device = device;
}

// CUDA for what Python models answer with, also in processes without an engine that has GPUs.
// Opened once, under the GIL.
inline std::shared_ptr<CudaRuntime>& cuda_of_process() {
  static std::shared_ptr<CudaRuntime> cuda;
  return cuda;
}
inline Status open_cuda_of_process(const std::vector<std::string>& libraries) {
  std::shared_ptr<CudaRuntime>& cuda = cuda_of_process();
  return cuda ? Status() : take(CudaRuntime::open(libraries), cuda);
}
// Calls of the thread are about `device` from now on; they were about `before`.
inline Status use_gpu(std::int32_t device, std::int32_t& before) {
  const std::shared_ptr<CudaRuntime> cuda = cuda_of_process();
  if (!cuda) return unavailable("CUDA was not opened");
  PENSTOCK_RETURN_IF_ERROR(take(cuda->device_in_use(), before));
  return before == device ? Status() : cuda->use(device);
}
inline Status wait_for_gpu() { return cuda_of_process()->synchronize(); }
inline Status copy_from_gpu(std::int32_t device, char* to, const char* from, std::size_t size) {
  const std::shared_ptr<CudaRuntime> cuda = cuda_of_process();
  if (!cuda) return unavailable("CUDA was not opened");
  return cuda->copy(device, to, from, size);
}

inline std::size_t stream_of(const Batch& batch) {
  return reinterpret_cast<std::size_t>(batch.stream());
}
inline bool health_of(const ModelVersion& model, std::string& problem) {
  const Status status = model.health();
  problem = status.message();
  return status.ok();
}

inline bool has_devices(Engine& engine) { return engine.devices() != nullptr; }
inline std::vector<DevicePools::Usage> device_usage(Engine& engine) {
  return has_devices(engine) ? engine.devices()->usage() : std::vector<DevicePools::Usage>{};
}
inline Status device_memory(Engine& engine, std::int32_t device, std::uint64_t& free_bytes,
                            std::uint64_t& total_bytes) {
  if (!has_devices(engine)) return unavailable(engine.memory_report());
  CudaRuntime::Memory memory;
  PENSTOCK_RETURN_IF_ERROR(take(engine.devices()->runtime()->memory(device), memory));
  free_bytes = memory.free_bytes;
  total_bytes = memory.total_bytes;
  return {};
}

inline RegionKind region_kind(bool cuda) { return cuda ? RegionKind::kCuda : RegionKind::kSystem; }

inline Status add_cuda_region(Engine& engine, const std::string& name, const std::string& handle,
                              std::int64_t device, std::uint64_t size_bytes) {
  PENSTOCK_RETURN_IF_ERROR(engine.regions().check_new(name));
  DevicePools* const devices = engine.devices();
  BufferLease memory;
  PENSTOCK_RETURN_IF_ERROR(take(
      open_cuda_region(devices ? devices->runtime() : nullptr, name, handle, device, size_bytes),
      memory));
  RegionInfo info;
  info.kind = RegionKind::kCuda;
  info.name = name;
  info.device = device;
  info.size_bytes = size_bytes;
  return engine.regions().add(std::move(info), std::move(memory));
}

inline Status add_system_region(Engine& engine, const std::string& name, const std::string& key,
                                std::uint64_t offset, std::uint64_t size_bytes) {
  PENSTOCK_RETURN_IF_ERROR(engine.regions().check_new(name));
  BufferLease memory;
  PENSTOCK_RETURN_IF_ERROR(take(open_system_region(name, key, offset, size_bytes), memory));
  RegionInfo info;
  info.name = name;
  info.key = key;
  info.offset = offset;
  info.size_bytes = size_bytes;
  return engine.regions().add(std::move(info), std::move(memory));
}

// Empty: all of the kind.
inline Status remove_region(Engine& engine, bool cuda, const std::string& name) {
  if (!name.empty()) return engine.regions().remove(region_kind(cuda), name);
  engine.regions().remove_all(region_kind(cuda));
  return {};
}

inline Status list_regions(Engine& engine, bool cuda, const std::string& name,
                           std::vector<RegionInfo>& out) {
  return take(engine.regions().list(region_kind(cuda), name), out);
}

}  // namespace penstock::binding
