// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DeviceScope: the calling thread's device for as long as it lives, then again what it was. For
// threads that others use too: a framework keeps its device in the thread. Thread safety: the
// thread's own. Nothing blocks, but for the very first use of a device.
#pragma once

#include "memory/cuda_api.h"
#include "penstock/cuda.h"

namespace penstock {

class DeviceScope {
 public:
  DeviceScope(CudaRuntime& runtime, std::int32_t device) : runtime_(runtime), device_(device) {
    status_ = runtime.check(runtime.api().get_device(&before_), device, "cudaGetDevice");
    if (status_.ok() && before_ != device) status_ = runtime.use(device);
  }
  ~DeviceScope() {
    if (status_.ok() && before_ != device_) (void)runtime_.api().set_device(before_);
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

  [[nodiscard]] Status status() const { return status_; }

 private:
  CudaRuntime& runtime_;
  const std::int32_t device_;
  int before_ = 0;
  Status status_;
};

}  // namespace penstock
