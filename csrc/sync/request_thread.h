// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// begin_request_thread: what every thread that requests pass through does first.
//
// Such a thread runs for microseconds and sleeps. Where cores are shared with what computes for
// long (a model in Python, a load), the kernel would let it wait for the rest of the other's slice,
// milliseconds; one with a short slice of its own runs at once (EEVDF; man 2 sched_setattr). Its
// share of the core stays. Linux before 6.12 knows no slice of a thread and ignores it.
// Thread safety: acts on the calling thread alone. Nothing blocks.
#pragma once

namespace penstock {

// `name` is what `top -H` shows, its first 15 bytes.
void begin_request_thread(const char* name);

}  // namespace penstock
