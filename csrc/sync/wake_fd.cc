// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "penstock/completion.h"

namespace penstock {

WakeFd::WakeFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

WakeFd::~WakeFd() { close(fd_); }

void WakeFd::wake() noexcept {
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is full, and so readable already.
  while (write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void WakeFd::drain() noexcept {
  std::uint64_t count = 0;
  // One read takes the whole count; EAGAIN means that there was none.
  while (read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace penstock
