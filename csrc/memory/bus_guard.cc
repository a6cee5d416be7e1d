// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <mutex>

namespace penstock {
namespace {

// Read by the handler, in any thread at any moment. A mapping that is being touched is not taken
// away, since whoever touches it holds a lease; others are only compared.
std::array<std::atomic<GuardedMapping*>, BusGuard::kMost> g_mappings{};
static_assert(std::atomic<GuardedMapping*>::is_always_lock_free);
struct sigaction g_previous {};

GuardedMapping* mapping_of(const std::byte* address) {
  for (auto& slot : g_mappings) {
    // acquire: pairs with the release of the constructor, which publishes the mapping's fields
    GuardedMapping* mapping = slot.load(std::memory_order_acquire);
    if (mapping == nullptr) continue;
    if (address >= mapping->data && address < mapping->data + mapping->size_bytes) return mapping;
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
  auto* address = static_cast<std::byte*>(info->si_addr);
  GuardedMapping* mapping = mapping_of(address);
  if (mapping == nullptr) return pass_on(signal, info, context);
  const auto page = static_cast<std::size_t>(::getpagesize());
  const std::size_t before = static_cast<std::size_t>(address - mapping->data) / page * page;
  void* from = mapping->data + before;
  const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
  // The system call itself: the library's may be somebody's who does more in it.
  const long mapped = ::syscall(SYS_mmap, from, mapping->size_bytes - before,
                                PROT_READ | PROT_WRITE, flags, -1, 0L);
  if (mapped == -1) return pass_on(signal, info, context);
  mapping->shortened.store(true, std::memory_order_relaxed);  // relaxed: orders nothing
}

void install() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &g_previous);
}

}  // namespace

BusGuard::BusGuard(GuardedMapping& mapping) {
  static std::once_flag once;
  std::call_once(once, install);
  for (std::size_t i = 0; i < kMost; ++i) {
    GuardedMapping* expected = nullptr;
    // release: pairs with the acquire of the handler. relaxed: a slot that is taken is passed over
    if (g_mappings[i].compare_exchange_strong(expected, &mapping, std::memory_order_release,
                                              std::memory_order_relaxed)) {
      slot_ = i;
      return;
    }
  }
}

BusGuard::~BusGuard() {
  // release: whoever takes the slot next has seen what we did with the mapping
  if (guarded()) g_mappings[slot_].store(nullptr, std::memory_order_release);
}

}  // namespace penstock
