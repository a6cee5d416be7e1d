// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace penstock {
namespace {

// Read by the handler, in any thread at any moment, so a slot is never freed. A mapping that is
// being touched does not go, since whoever touches it holds a lease; the others are only compared.
struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::size_t> size_bytes{0};  // 0: nobody's memory
  std::atomic<bool> shortened{false};
};
std::array<Slot, BusGuard::kMost> g_slots{};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);
struct sigaction g_previous {};

Slot* slot_of(std::uintptr_t address) {
  for (Slot& slot : g_slots) {
    // acquire: pairs with the release of the constructor, so that `begin` is this mapping's
    const std::size_t size_bytes = slot.size_bytes.load(std::memory_order_acquire);
    // relaxed: see above. An address before it wraps around to one far behind its end.
    if (address - slot.begin.load(std::memory_order_relaxed) < size_bytes) return &slot;
  }
  return nullptr;
}

void pass_on(int signal, siginfo_t* info, void* context) {
  if ((g_previous.sa_flags & SA_SIGINFO) != 0)
    return g_previous.sa_sigaction(signal, info, context);
  if (g_previous.sa_handler == SIG_IGN) return;
  if (g_previous.sa_handler != SIG_DFL) return g_previous.sa_handler(signal);
  // Touched again on return, and then the process ends as it would have.
  ::signal(signal, SIG_DFL);
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Slot* slot = slot_of(address);
  if (slot == nullptr) return pass_on(signal, info, context);
  // This page alone: nothing is written where nobody has touched. The system call itself: the
  // library's may be somebody's who does more in it.
  const auto page = static_cast<std::size_t>(::getpagesize());
  const long mapped = ::syscall(SYS_mmap, address / page * page, page, PROT_READ | PROT_WRITE,
                                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
  if (mapped == -1) return pass_on(signal, info, context);
  slot->shortened.store(true, std::memory_order_relaxed);  // relaxed: orders nothing
}

void install() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &g_previous);
}

}  // namespace

BusGuard::BusGuard(const std::byte* data, std::size_t size_bytes) {
  static std::once_flag once;
  std::call_once(once, install);
  for (std::size_t i = 0; i < kMost; ++i) {
    Slot& slot = g_slots[i];
    if (slot.taken.exchange(true)) continue;
    slot.shortened.store(false, std::memory_order_relaxed);  // relaxed: ours until it is published
    slot.begin.store(reinterpret_cast<std::uintptr_t>(data), std::memory_order_relaxed);
    // release: pairs with the acquire of the handler
    slot.size_bytes.store(size_bytes, std::memory_order_release);
    slot_ = i;
    return;
  }
}

BusGuard::~BusGuard() {
  if (!guarded()) return;
  g_slots[slot_].size_bytes.store(0);
  g_slots[slot_].taken.store(false);
}

bool BusGuard::shortened() const {
  // relaxed: it only ever becomes true, and orders nothing
  return guarded() && g_slots[slot_].shortened.load(std::memory_order_relaxed);
}

}  // namespace penstock
