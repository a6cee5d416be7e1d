// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/cuda_api.h"
#include "memory/device_scope.h"
#include "penstock/cuda.h"

namespace penstock {

Result<std::unique_ptr<CudaEvent>> CudaEvent::create(std::shared_ptr<CudaRuntime> runtime,
                                                     std::int32_t device) {
  const DeviceScope scope(*runtime, device);
  if (!scope.status().ok()) return scope.status();
  void* event = nullptr;
  const int error = runtime->api().event_create(&event, CudaApi::kEventWithoutTiming);
  if (Status s = runtime->check(error, device, "cudaEventCreate"); !s.ok()) return s;
  return std::unique_ptr<CudaEvent>(new CudaEvent(std::move(runtime), device, event));
}

// Fails only when the device is lost, and the event with it.
CudaEvent::~CudaEvent() { (void)runtime_->api().event_destroy(event_); }

Status CudaEvent::synchronize() {
  return runtime_->check(runtime_->api().event_synchronize(event_), device_,
                         "cudaEventSynchronize");
}

Result<std::unique_ptr<CudaStream>> CudaStream::create(std::shared_ptr<CudaRuntime> runtime,
                                                       std::int32_t device) {
  const DeviceScope scope(*runtime, device);
  if (!scope.status().ok()) return scope.status();
  void* stream = nullptr;
  const int error = runtime->api().stream_create(&stream, CudaApi::kNonBlockingStream);
  if (Status s = runtime->check(error, device, "cudaStreamCreate"); !s.ok()) return s;
  return std::unique_ptr<CudaStream>(new CudaStream(std::move(runtime), device, stream));
}

// Both fail only when the device is lost, and the stream with it.
CudaStream::~CudaStream() {
  (void)runtime_->api().stream_synchronize(stream_);
  (void)runtime_->api().stream_destroy(stream_);
}

Status CudaStream::copy(void* to, const void* from, std::size_t size_bytes) {
  if (size_bytes == 0) return {};
  const int error =
      runtime_->api().memcpy_async(to, from, size_bytes, CudaApi::kCopyDefault, stream_);
  return runtime_->check(error, device_, "cudaMemcpyAsync");
}

Status CudaStream::record(CudaEvent& event) {
  return runtime_->check(runtime_->api().event_record(event.get(), stream_), device_,
                         "cudaEventRecord");
}

Status CudaStream::synchronize() {
  return runtime_->check(runtime_->api().stream_synchronize(stream_), device_,
                         "cudaStreamSynchronize");
}

void CudaStream::drain() {
  if (synchronize().ok()) return;
  if (Status again = synchronize(); !again.ok()) runtime_->lose(device_, again.message());
}

}  // namespace penstock
