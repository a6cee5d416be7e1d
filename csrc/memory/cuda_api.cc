// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/cuda_api.h"

#include <dlfcn.h>

#include <type_traits>

namespace penstock {
namespace {

constexpr const char* kDriver = "libcuda.so.1";
constexpr const char* kAddressRange = "cuMemGetAddressRange_v2";

template <typename Function>
bool find(void* library, const char* symbol, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, symbol));
  return function != nullptr;
}

// The name of the first symbol that is not there; null when all are.
const char* resolve(void* library, CudaApi& api) {
  const char* missing = nullptr;
  const auto take = [&](const char* symbol, auto& function) {
    if (missing == nullptr && !find(library, symbol, function)) missing = symbol;
  };
  take("cudaHostAlloc", api.host_alloc);
  take("cudaFreeHost", api.free_host);
  take("cudaGetDeviceCount", api.get_device_count);
  take("cudaGetErrorString", api.get_error_string);
  take("cudaGetLastError", api.get_last_error);
  take("cudaGetDevice", api.get_device);
  take("cudaSetDevice", api.set_device);
  take("cudaMemGetInfo", api.mem_get_info);
  take("cudaMalloc", api.malloc);
  take("cudaFree", api.free);
  take("cudaMemcpy", api.memcpy);
  take("cudaMemcpyAsync", api.memcpy_async);
  take("cudaStreamCreateWithFlags", api.stream_create);
  take("cudaStreamDestroy", api.stream_destroy);
  take("cudaStreamSynchronize", api.stream_synchronize);
  take("cudaEventCreateWithFlags", api.event_create);
  take("cudaEventDestroy", api.event_destroy);
  take("cudaEventRecord", api.event_record);
  take("cudaEventSynchronize", api.event_synchronize);
  take("cudaIpcOpenMemHandle", api.ipc_open);
  take("cudaIpcCloseMemHandle", api.ipc_close);
  return missing;
}

}  // namespace

Result<CudaApi> CudaApi::open(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return not_found(dlerror());
  CudaApi api;
  if (const char* missing = resolve(library, api)) {
    return unavailable(path + ": not a CUDA runtime, it has no " + missing);
  }
  // Without it regions of shared memory are refused, and nothing else is.
  if (!find(library, kAddressRange, api.get_address_range)) {
    if (void* const driver = dlopen(kDriver, RTLD_NOW | RTLD_LOCAL)) {
      (void)find(driver, kAddressRange, api.get_address_range);
    }
  }
  return api;
}

}  // namespace penstock
