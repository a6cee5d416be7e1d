// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/request_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "sync/short_work.h"

namespace penstock {
namespace {

// The shortest that the kernel takes.
constexpr std::uint64_t kSliceNs = 100'000;
// So many short pieces after a long one, and the thread may go first again.
constexpr int kShortAgain = 8;
// How often a thread that may go first says what it has used: asking costs a system call.
constexpr std::int64_t kReportNs = ShortWork::kWindowNs / 10;
constexpr std::uint64_t kResetOnFork = 0x01;  // SCHED_FLAG_RESET_ON_FORK

// The kernel's struct sched_attr as far as its first version goes; glibc has none before 2.41.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

bool set(Attributes& attributes) noexcept {
  attributes.size = sizeof attributes;
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

struct Precedence {
  GoesFirst when = GoesFirst::kNever;
  int short_pieces_missing = 0;
  bool first = false;
  Attributes usual;
  std::int64_t used_ns = 0;  // of the processor, as reported last, at
  std::int64_t reported_ns = 0;
  std::int64_t pieces_ns = 0;  // what its pieces have taken since
};

thread_local Precedence here;

// What it has used, system calls included; or what its pieces took, where a process did them.
void report(ShortWork& all, std::int64_t now_ns) noexcept {
  if (now_ns - here.reported_ns < kReportNs) return;
  timespec used{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  const std::int64_t used_ns = used.tv_sec * 1'000'000'000 + used.tv_nsec;
  // Of what was long before, only the last bit.
  const std::int64_t most_ns = now_ns - here.reported_ns;
  all.add(std::min(std::max(used_ns - here.used_ns, here.pieces_ns), most_ns), now_ns);
  here.used_ns = used_ns;
  here.pieces_ns = 0;
  here.reported_ns = now_ns;
}

void go_first() noexcept {
  Attributes first;
  first.policy = SCHED_RR;
  first.priority = static_cast<std::uint32_t>(sched_get_priority_min(SCHED_RR));
  first.flags = kResetOnFork;
  here.first = set(first);
  if (!here.first) ShortWork::of_process().allow(false);  // not permitted: nor will it be
}

void go_with_others() noexcept {
  here.first = false;
  (void)set(here.usual);  // giving it up needs no permission
}

}  // namespace

void begin_request_thread(const char* name, GoesFirst when) {
  pthread_setname_np(pthread_self(), std::string(name).substr(0, 15).c_str());
  Attributes attributes;  // policy and niceness are kept as they are
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;  // whoever chose that knows why
  attributes.runtime = kSliceNs;
  (void)set(attributes);  // forbidden: then as before
  here = {.when = when,
          .short_pieces_missing = when == GoesFirst::kWhileShort ? 1 : 0,
          .first = false,
          .usual = attributes,
          .used_ns = 0,
          .reported_ns = 0,
          .pieces_ns = 0};
}

void work_done(std::int64_t took_ns, std::int64_t now_ns) noexcept {
  ShortWork& all = ShortWork::of_process();
  if (!all.allowed()) [[unlikely]] {
    if (here.first) go_with_others();
    return;
  }
  if (here.when == GoesFirst::kNever) {
    // What is short takes longer while others go first; of what is long this is next to nothing.
    return all.add(std::min(took_ns, ShortWork::kPieceNs), now_ns);
  }
  const bool is_short = took_ns < ShortWork::kPieceNs;
  if (here.when == GoesFirst::kWhileShort) {
    here.pieces_ns += std::min(took_ns, ShortWork::kPieceNs);
    here.short_pieces_missing = is_short ? std::max(0, here.short_pieces_missing - 1) : kShortAgain;
  }
  if (here.short_pieces_missing == 0) report(all, now_ns);
  const bool may = here.short_pieces_missing == 0 && all.may_go_first(now_ns);
  if (may != here.first) may ? go_first() : go_with_others();
}

bool goes_first() noexcept { return here.first; }

}  // namespace penstock
