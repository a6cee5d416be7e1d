// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// begin_request_thread: what every thread that requests pass through does first.
//
// Such a thread runs for microseconds and sleeps. Where cores are shared with what computes for
// long (a model in Python, a load), the kernel would let it wait for the rest of the other's slice,
// milliseconds; one with a short slice of its own mostly runs at once (EEVDF; man 2 sched_setattr).
// Its share of the core stays. Linux before 6.12 knows no slice of a thread and ignores it.
//
// Mostly: whoever has just run waits until others have caught up, and the kernel looks again at its
// next tick only. Threads that work for microseconds can go first instead (SCHED_RR, man 7 sched),
// where the system permits it and ShortWork says that they leave room.
// Thread safety: all act on the calling thread alone. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

enum class GoesFirst {
  kNever,
  kWhileShort,  // since its last pieces of work took less than ShortWork::kPieceNs
  kWhileSmall,  // since they moved less than ShortWork::kLargeBytes of one message
};

struct Precedence {
  GoesFirst when = GoesFirst::kNever;
  bool by_process = false;  // its pieces are done by a process that it waits for
};

// `name` is what `top -H` shows, its first 15 bytes. Who may go first does so from its first
// work_done() on.
void begin_request_thread(const char* name, Precedence precedence = {});

// The thread has done a piece of work that requests wait for, and moved at most so much of a
// message at once.
void work_done(std::int64_t took_ns, std::int64_t now_ns, std::size_t moved_bytes = 0) noexcept;

// Does it now? Others on its core do not run then until it sleeps.
[[nodiscard]] bool goes_first() noexcept;

}  // namespace penstock
