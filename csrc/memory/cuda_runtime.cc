// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <algorithm>
#include <array>

#include "memory/cuda_api.h"
#include "memory/device_scope.h"
#include "penstock/cuda.h"

namespace penstock {
namespace {

// The newest first, after the one a developer's toolkit would choose.
const std::vector<std::string> kRuntimeNames{"libcudart.so", "libcudart.so.13", "libcudart.so.12",
                                             "libcudart.so.11"};

// Errors after which CUDA answers nothing else until the process ends, by their numbers in
// cudaError_t: a device that is gone, an uncorrectable error of memory or links, a kernel that
// went wrong.
constexpr std::array kFatalErrors{100, 214, 220, 226, 700, 702, 709, 710,
                                  714, 715, 716, 717, 718, 719, 721, 999};

bool fatal(int error) {
  return std::find(kFatalErrors.begin(), kFatalErrors.end(), error) != kFatalErrors.end();
}

std::string gpu(std::int32_t device) { return "GPU " + std::to_string(device); }

}  // namespace

CudaRuntime::CudaRuntime(const CudaApi& api, std::int32_t device_count)
    : api_(std::make_unique<const CudaApi>(api)), device_count_(device_count) {}
CudaRuntime::~CudaRuntime() = default;

Result<std::shared_ptr<CudaRuntime>> CudaRuntime::open_one(const std::string& path) {
  auto api = CudaApi::open(path);
  if (!api.ok()) return api.take_status();
  int devices = 0;
  const int error = api.value().get_device_count(&devices);
  if (error != CudaApi::kSuccess) {
    return unavailable(path + ": " + api.value().get_error_string(error));
  }
  if (devices < 1) return unavailable(path + ": no CUDA device");
  const std::int32_t count = std::min(devices, kMaxDevices);
  return std::shared_ptr<CudaRuntime>(new CudaRuntime(api.value(), count));
}

Result<std::shared_ptr<CudaRuntime>> CudaRuntime::open(const std::vector<std::string>& libraries) {
  std::string tried;
  Status failure;  // of the first library that is there but of no use
  for (const std::string& name : libraries.empty() ? kRuntimeNames : libraries) {
    auto runtime = open_one(name);
    if (runtime.ok()) return runtime;
    tried += tried.empty() ? "" : ", ";
    tried += libraries.size() == 1 ? runtime.status().message() : name;
    const bool found = runtime.status().code() != Code::kNotFound;
    if (found && failure.ok()) failure = runtime.take_status();
  }
  if (!failure.ok()) return failure;
  return unavailable((libraries.size() == 1 ? "no CUDA runtime: " : "no CUDA runtime, tried ") +
                     tried);
}

Status CudaRuntime::check_device(std::int32_t device) const {
  if (device >= 0 && device < device_count_) return {};
  return invalid_arg("there is no " + gpu(device) + ", the CUDA runtime has " +
                     std::to_string(device_count_));
}

Status CudaRuntime::use(std::int32_t device) {
  PENSTOCK_RETURN_IF_ERROR(check_device(device));
  return check(api_->set_device(device), device, "cudaSetDevice");
}

Status CudaRuntime::check(int error, std::int32_t device, const char* function) {
  if (error == CudaApi::kSuccess) return {};
  (void)api_->get_last_error();  // or a framework takes it for its own
  std::string text = gpu(device) + ": " + function + ": " + api_->get_error_string(error) + " (" +
                     std::to_string(error) + ")";
  if (error == CudaApi::kOutOfMemory) return unavailable(std::move(text));
  if (!fatal(error) || device < 0 || device >= kMaxDevices) return internal_error(std::move(text));
  lose(device, text);
  return unavailable(std::move(text));
}

void CudaRuntime::lose(std::int32_t device, std::string why) {
  const std::lock_guard lock(mutex_);
  why_lost_.emplace(device, std::move(why));  // the first is the cause
  // release: pairs with the load in lost()
  lost_[static_cast<std::size_t>(device)].store(true, std::memory_order_release);
}

Status CudaRuntime::lost(std::int32_t device) const {
  if (device < 0 || device >= kMaxDevices) return {};
  // acquire: pairs with the store in lose()
  if (!lost_[static_cast<std::size_t>(device)].load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(mutex_);
  return unavailable(gpu(device) +
                     " is lost to this server, which must be restarted: " + why_lost_.at(device));
}

Result<CudaRuntime::Memory> CudaRuntime::memory(std::int32_t device) {
  PENSTOCK_RETURN_IF_ERROR(check_device(device));
  const DeviceScope scope(*this, device);
  PENSTOCK_RETURN_IF_ERROR(scope.status());
  std::size_t free = 0;
  std::size_t total = 0;
  PENSTOCK_RETURN_IF_ERROR(check(api_->mem_get_info(&free, &total), device, "cudaMemGetInfo"));
  return Memory{free, total};
}

Result<std::int32_t> CudaRuntime::device_in_use() {
  int device = 0;
  PENSTOCK_RETURN_IF_ERROR(check(api_->get_device(&device), 0, "cudaGetDevice"));
  return static_cast<std::int32_t>(device);
}

Status CudaRuntime::synchronize() {
  auto device = device_in_use();
  if (!device.ok()) return device.take_status();
  return check(api_->stream_synchronize(nullptr), device.value(), "cudaStreamSynchronize");
}

Status CudaRuntime::copy(std::int32_t device, void* to, const void* from, std::size_t size_bytes) {
  if (size_bytes == 0) return {};
  const DeviceScope scope(*this, device);
  PENSTOCK_RETURN_IF_ERROR(scope.status());
  return check(api_->memcpy(to, from, size_bytes, CudaApi::kCopyDefault), device, "cudaMemcpy");
}

}  // namespace penstock
