// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// spin(): lets others run while an atomic has not the value that is waited for. For what takes a
// few instructions of another thread; whatever may take longer waits on a Parker.
//
// Thread safety: any thread. Gives the processor away, and may return before anything has changed.
#pragma once

#include <atomic>
#include <thread>

namespace penstock {

template <typename T>
void spin(const std::atomic<T>&) noexcept {
  std::this_thread::yield();
}

}  // namespace penstock
