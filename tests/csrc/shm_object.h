// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A POSIX shared memory object as a client has it; gone with the test.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace penstock::testing {

class ShmObject {
 public:
  explicit ShmObject(std::size_t size_bytes)
      : key_("/penstock-test-" + std::to_string(::getpid()) + "-" + std::to_string(next()++)),
        fd_(::shm_open(key_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600)),
        size_bytes_(size_bytes) {
    if (fd_ < 0) throw std::runtime_error("shm_open failed");
    resize(size_bytes);
    data_ = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (data_ == MAP_FAILED) throw std::runtime_error("mmap failed");
  }
  ~ShmObject() {
    ::munmap(data_, size_bytes_);
    ::close(fd_);
    ::shm_unlink(key_.c_str());
  }
  ShmObject(const ShmObject&) = delete;
  ShmObject& operator=(const ShmObject&) = delete;

  void resize(std::size_t size_bytes) {
    if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0) {
      throw std::runtime_error("ftruncate failed");
    }
  }
  [[nodiscard]] const std::string& key() const { return key_; }
  template <class T>
  [[nodiscard]] T* values() {
    return static_cast<T*>(data_);
  }

 private:
  static int& next() {
    static int number = 0;
    return number;
  }

  std::string key_;
  int fd_;
  std::size_t size_bytes_;
  void* data_ = nullptr;
};

}  // namespace penstock::testing
