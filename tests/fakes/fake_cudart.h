// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A CUDA runtime (and the one function of the driver that goes with it) that obeys the test.
//
// A stream is a thread that does what was put on it, one after the other, and stops where the test
// holds it. Memory of a device cannot be reached by the processor: touching it ends the test. It
// can be shared with other processes, as CUDA's can. Everything that is called is written down.
//
// A test in the same process opens the library by dlopen and finds these functions by dlsym
// (`FakeCudart`); for a process of its own there is the environment:
//   FAKE_CUDART_DEVICES   how many there are (1)
//   FAKE_CUDART_BYTES     memory of each (1 GiB)
//   FAKE_CUDART_FAULTS    a file; while it is there, "<function> <error>" in it is what that
//                         function answers
// Thread safety: all of it.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <stdexcept>
#include <string>

extern "C" {
struct FakeCudartControl {
  // Everything as it was at the start; nothing may be allocated any more.
  void (*reset)();
  void (*set_device_count)(int count, int error);
  void (*set_memory)(std::size_t bytes);
  // The `after`-th call from now on (0: the next) of a function, and all that follow, fail.
  void (*fail)(const char* function, int error, int after);
  // The next call of a function fails, and none after it.
  void (*fail_once)(const char* function, int error);
  void (*heal)();
  // Streams stop before the next copy, until they are let go.
  void (*hold)();
  void (*let_go)();
  // The calls so far, a line each: "cudaMemcpyAsync 4096 HtoD", "done 4096 HtoD", ...
  // Valid until the next call of this thread.
  const char* (*log)();
  void (*note)(const char* line);
  // Waits until the log has so many lines that begin so.
  void (*wait_for)(const char* beginning, int count);
  // What is in use: device and host blocks, streams, events, opened handles.
  std::size_t (*live)();
  // Where the test may read and write memory of a device.
  void* (*view)(const void* device_memory);
  // From now on the processor reaches memory of devices, until reset().
  void (*expose)();
  // A handle of so many bytes that another process has; what is in them: `fill`.
  void (*foreign_handle)(char* handle64, std::size_t size_bytes, unsigned char fill);
};
}

// The library as a test of the same process sees it.
class FakeCudart {
 public:
  explicit FakeCudart(const char* path) : library_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) throw std::runtime_error(dlerror());
    control_ = static_cast<const FakeCudartControl*>(dlsym(library_, "fake_cudart_control"));
    if (control_ == nullptr) throw std::runtime_error(dlerror());
    control_->reset();
  }
  ~FakeCudart() { dlclose(library_); }
  FakeCudart(const FakeCudart&) = delete;
  FakeCudart& operator=(const FakeCudart&) = delete;
  const FakeCudartControl* operator->() const { return control_; }
  // Where the first line of the log is that begins so, from `from` on; npos: there is none.
  [[nodiscard]] std::size_t find(const std::string& beginning, std::size_t from = 0) const {
    return ("\n" + std::string(control_->log())).find("\n" + beginning, from);
  }

 private:
  void* library_;
  const FakeCudartControl* control_ = nullptr;
};
