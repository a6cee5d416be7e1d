// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Page-locked host memory through the CUDA runtime, which is opened when asked for and never
// linked. The library stays open for the life of the process: the runtime registers exit handlers
// and threads of its own, and cannot be unloaded safely.
#include <dlfcn.h>

#include <array>
#include <span>
#include <string>

#include "penstock/buffer.h"

namespace penstock {
namespace {

// The newest first, after the one a developer's toolkit would choose.
constexpr std::array kRuntimeNames{"libcudart.so", "libcudart.so.13", "libcudart.so.12",
                                   "libcudart.so.11"};

// The part of the CUDA runtime's C interface that is used here; unchanged in versions 11 to 13.
struct CudaRuntime {
  static constexpr int kSuccess = 0;
  static constexpr unsigned kHostAllocPortable = 1;  // pinned for every device

  int (*host_alloc)(void** memory, std::size_t size_bytes, unsigned flags) = nullptr;
  int (*free_host)(void* memory) = nullptr;
  int (*get_device_count)(int* count) = nullptr;
  const char* (*get_error_string)(int error) = nullptr;
};

class PinnedAllocator final : public Allocator {
 public:
  explicit PinnedAllocator(const CudaRuntime& runtime) : runtime_(runtime) {}

  void* allocate(std::size_t size_bytes) override {
    void* memory = nullptr;  // aligned to a page
    const int error = runtime_.host_alloc(&memory, size_bytes, CudaRuntime::kHostAllocPortable);
    return error == CudaRuntime::kSuccess ? memory : nullptr;
  }
  void deallocate(void* memory, std::size_t) noexcept override {
    // Fails only when the runtime has gone before us at exit, and the memory with it.
    if (memory != nullptr) runtime_.free_host(memory);
  }
  [[nodiscard]] MemoryKind kind() const override { return MemoryKind::kPinned; }

 private:
  const CudaRuntime runtime_;
};

template <typename Function>
Status resolve(void* library, const char* path, const char* symbol, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, symbol));
  if (function != nullptr) return {};
  return unavailable(std::string(path) + ": not a CUDA runtime, it has no " + symbol);
}

// NOT_FOUND: no such library. UNAVAILABLE: there is one, but it is of no use.
Result<CudaRuntime> open_runtime(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return not_found(dlerror());

  CudaRuntime cuda;
  PENSTOCK_RETURN_IF_ERROR(resolve(library, path, "cudaHostAlloc", cuda.host_alloc));
  PENSTOCK_RETURN_IF_ERROR(resolve(library, path, "cudaFreeHost", cuda.free_host));
  PENSTOCK_RETURN_IF_ERROR(resolve(library, path, "cudaGetDeviceCount", cuda.get_device_count));
  PENSTOCK_RETURN_IF_ERROR(resolve(library, path, "cudaGetErrorString", cuda.get_error_string));

  int devices = 0;
  const int error = cuda.get_device_count(&devices);
  if (error != CudaRuntime::kSuccess) {
    return unavailable(std::string(path) + ": " + cuda.get_error_string(error));
  }
  if (devices < 1) return unavailable(std::string(path) + ": no CUDA device");
  return cuda;
}

}  // namespace

Result<std::unique_ptr<Allocator>> make_pinned_allocator(const char* library) {
  const bool given = library != nullptr && *library != '\0';
  const std::span<const char* const> names =
      given ? std::span<const char* const>(&library, 1) : std::span(kRuntimeNames);

  std::string tried;
  Status failure;  // of the first library that is there but of no use
  for (const char* name : names) {
    Result<CudaRuntime> runtime = open_runtime(name);
    if (runtime.ok()) {
      return std::unique_ptr<Allocator>(std::make_unique<PinnedAllocator>(runtime.value()));
    }
    tried += tried.empty() ? "" : ", ";
    tried += given ? runtime.status().message() : name;
    const bool found = runtime.status().code() != Code::kNotFound;
    if (found && failure.ok()) failure = runtime.take_status();
  }
  if (!failure.ok()) return failure;
  return unavailable((given ? "no CUDA runtime: " : "no CUDA runtime, tried ") + tried);
}

}  // namespace penstock
