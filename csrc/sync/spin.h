// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// spin(): lets others run while an atomic has not the value that is waited for. For what takes a
// few instructions of another thread; whatever may take longer waits on a Parker.
//
// Thread safety: any thread. Gives the processor away, and may return before anything has changed.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "sync/request_thread.h"

namespace penstock {

template <typename T>
void spin(const std::atomic<T>&) noexcept {
  // The other one may be on this core, where it does not run before this one sleeps. Not for less:
  // on a virtual machine a timer of 10 us may be over before the thread has gone to sleep.
  if (goes_first()) return std::this_thread::sleep_for(std::chrono::microseconds(200));
  std::this_thread::yield();
}

}  // namespace penstock
