// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The part of the CUDA runtime's C interface that Penstock calls, by our own declarations, so that
// nothing of CUDA is needed to build; unchanged in versions 11 to 13. Thread safety: the table is
// constant; CUDA's functions may be called by any thread. Ownership: functions of a library that is
// never closed. Opening blocks.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "penstock/status.h"

namespace penstock {

struct CudaIpcHandle {  // cudaIpcMemHandle_t, passed by value
  std::array<char, 64> bytes;
};

struct CudaApi {
  static constexpr int kSuccess = 0;
  static constexpr int kOutOfMemory = 2;
  static constexpr unsigned kHostAllocPortable = 1;     // pinned for every device
  static constexpr unsigned kNonBlockingStream = 1;     // not held up by the default stream
  static constexpr unsigned kEventWithoutTiming = 2;    // timing costs
  static constexpr unsigned kLazyEnablePeerAccess = 1;  // the one flag that IPC has
  static constexpr int kCopyDefault = 4;                // where pointers lie tells the direction

  int (*host_alloc)(void** memory, std::size_t size_bytes, unsigned flags) = nullptr;
  int (*free_host)(void* memory) = nullptr;
  int (*get_device_count)(int* count) = nullptr;
  const char* (*get_error_string)(int error) = nullptr;
  int (*get_last_error)() = nullptr;  // and forgets it
  int (*get_device)(int* device) = nullptr;
  int (*set_device)(int device) = nullptr;
  int (*mem_get_info)(std::size_t* free, std::size_t* total) = nullptr;
  int (*malloc)(void** memory, std::size_t size_bytes) = nullptr;
  int (*free)(void* memory) = nullptr;
  int (*memcpy)(void* to, const void* from, std::size_t size_bytes, int kind) = nullptr;
  int (*memcpy_async)(void* to, const void* from, std::size_t size_bytes, int kind,
                      void* stream) = nullptr;
  int (*stream_create)(void** stream, unsigned flags) = nullptr;
  int (*stream_destroy)(void* stream) = nullptr;
  int (*stream_synchronize)(void* stream) = nullptr;
  int (*event_create)(void** event, unsigned flags) = nullptr;
  int (*event_destroy)(void* event) = nullptr;
  int (*event_record)(void* event, void* stream) = nullptr;
  int (*event_synchronize)(void* event) = nullptr;
  int (*ipc_open)(void** memory, CudaIpcHandle handle, unsigned flags) = nullptr;
  int (*ipc_close)(void* memory) = nullptr;
  // Of the driver, which the runtime has opened: what a pointer is a part of.
  int (*get_address_range)(unsigned long long* base, std::size_t* size_bytes,
                           unsigned long long address) = nullptr;

  // NOT_FOUND: no such library. UNAVAILABLE: there is one, but it is of no use.
  [[nodiscard]] static Result<CudaApi> open(const std::string& path);
};

}  // namespace penstock
