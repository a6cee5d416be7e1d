// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/request_thread.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace penstock {
namespace {

// The shortest that the kernel takes.
constexpr std::uint64_t kSliceNs = 100'000;

// The kernel's struct sched_attr as far as its first version goes; glibc has none before 2.41.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

}  // namespace

void begin_request_thread(const char* name) {
  pthread_setname_np(pthread_self(), std::string(name).substr(0, 15).c_str());
  Attributes attributes;  // policy and niceness are kept as they are
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.size = sizeof attributes;
  if (attributes.policy != 0) return;  // real time, or batch: whoever chose that knows why
  attributes.runtime = kSliceNs;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);  // forbidden: then as before
}

}  // namespace penstock
