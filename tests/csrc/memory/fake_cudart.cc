// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "fake_cudart.h"

#include <cstdlib>

#define PENSTOCK_FAKE_API extern "C" __attribute__((visibility("default")))

PENSTOCK_FAKE_API FakeCudartState fake_cudart_state;
FakeCudartState fake_cudart_state;

PENSTOCK_FAKE_API int cudaGetDeviceCount(int* count) {
  *count = fake_cudart_state.device_count;
  return fake_cudart_state.device_count_error;
}

PENSTOCK_FAKE_API int cudaHostAlloc(void** memory, unsigned long size_bytes, unsigned flags) {
  fake_cudart_state.last_flags = flags;
  if (fake_cudart_state.host_alloc_error != 0) return fake_cudart_state.host_alloc_error;
  constexpr unsigned long kPage = 4096;
  *memory = std::aligned_alloc(kPage, (size_bytes + kPage - 1) / kPage * kPage);
  if (*memory == nullptr) return 2;  // cudaErrorMemoryAllocation
  ++fake_cudart_state.live_blocks;
  return 0;
}

PENSTOCK_FAKE_API int cudaFreeHost(void* memory) {
  std::free(memory);
  --fake_cudart_state.live_blocks;
  return 0;
}

PENSTOCK_FAKE_API const char* cudaGetErrorString(int error) {
  switch (error) {
    case 2:
      return "out of memory";
    case 100:
      return "no CUDA-capable device is detected";
    default:
      return "unrecognized error code";
  }
}
