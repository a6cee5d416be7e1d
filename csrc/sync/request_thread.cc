// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/request_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "sync/short_work.h"

namespace penstock {
namespace {

// The shortest that the kernel takes.
constexpr std::uint64_t kSliceNs = 100'000;
// So many short pieces after a long one, and the thread may go first again.
constexpr int kShortAgain = 8;
// How often a thread says what it has used: asking costs a system call.
constexpr std::int64_t kReportNs = ShortWork::kWindowNs / 10;
// So many reports in a row of a core that it hardly leaves, and it goes with the others for a
// pause.
constexpr int kFullReports = 10;
// SCHED_FLAG_RESET_ON_FORK. Taking it back would need a privilege that a limit does not give.
constexpr std::uint64_t kResetOnFork = 0x01;

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

struct Here {
  Precedence precedence;
  Attributes usual;
  bool first = false;
  int short_pieces_missing = 0;
  std::int64_t used_ns = 0;  // of the processor, as reported last, at
  std::int64_t reported_ns = 0;
  std::int64_t pieces = 0;    // of work since then,
  std::int64_t short_ns = 0;  // and how long the short ones have taken
  int full_reports = 0;
  std::int64_t paused_until_ns = 0;
};

thread_local Here here;

std::int64_t used_ns_so_far() noexcept {
  timespec used{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000'000 + used.tv_nsec;
}

// What it has used since its last report, system calls included; or what its pieces took, where a
// process did them. Of what was long on average, nothing, but what was done before all others.
void report(ShortWork& all, std::int64_t now_ns) noexcept {
  const std::int64_t since_ns = now_ns - here.reported_ns;
  if (since_ns < kReportNs) return;
  const std::int64_t used_ns = used_ns_so_far();
  const std::int64_t own_ns = used_ns - here.used_ns;
  const std::int64_t spent_ns =
      here.precedence.by_process ? std::max(own_ns, here.short_ns) : own_ns;
  const bool counts = here.first || here.precedence.when == GoesFirst::kWhileSmall ||
                      spent_ns < here.pieces * ShortWork::kPieceNs;
  if (counts && here.reported_ns != 0) {
    all.add(std::min({spent_ns, since_ns, ShortWork::kWindowNs}), now_ns);
    const bool full = own_ns > since_ns / 100 * ShortWork::kMostPercent;
    here.full_reports = full ? here.full_reports + 1 : 0;
    if (here.full_reports >= kFullReports) {
      here.full_reports = 0;
      here.paused_until_ns = now_ns + ShortWork::kPauseNs;
    }
  }
  here.used_ns = used_ns;
  here.reported_ns = now_ns;
  here.pieces = 0;
  here.short_ns = 0;
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
  here.usual.flags |= kResetOnFork;
  here.first = !set(here.usual);
}

// Is all that the thread has done lately short, with a piece of so many nanoseconds and bytes?
bool is_short_now(std::int64_t took_ns, std::size_t moved_bytes) noexcept {
  ++here.pieces;
  const bool is_short = took_ns < ShortWork::kPieceNs;
  if (is_short) here.short_ns += took_ns;
  const bool may = here.precedence.when == GoesFirst::kWhileSmall
                       ? moved_bytes < ShortWork::kLargeBytes
                       : is_short;
  here.short_pieces_missing = may ? std::max(0, here.short_pieces_missing - 1) : kShortAgain;
  return here.short_pieces_missing == 0;
}

}  // namespace

void begin_request_thread(const char* name, Precedence precedence) {
  pthread_setname_np(pthread_self(), std::string(name).substr(0, 15).c_str());
  Attributes attributes;  // policy and niceness are kept as they are
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;  // whoever chose that knows why
  attributes.runtime = kSliceNs;
  (void)set(attributes);  // forbidden: then as before
  here = {};
  here.precedence = precedence;
  here.usual = attributes;
  here.short_pieces_missing = precedence.when == GoesFirst::kWhileShort ? 1 : 0;
}

void work_done(std::int64_t took_ns, std::int64_t now_ns, std::size_t moved_bytes) noexcept {
  ShortWork& all = ShortWork::of_process();
  if (!all.allowed()) [[unlikely]] {
    if (here.first) go_with_others();
    return;
  }
  const bool is_short = is_short_now(took_ns, moved_bytes);
  report(all, now_ns);
  if (here.precedence.when == GoesFirst::kNever) return;
  const bool may = is_short && now_ns >= here.paused_until_ns && all.may_go_first(now_ns);
  if (may != here.first) may ? go_first() : go_with_others();
}

bool goes_first() noexcept { return here.first; }

}  // namespace penstock
