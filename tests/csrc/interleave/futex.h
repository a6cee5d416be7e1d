// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A kernel's futex, as threads of explore() see it: a sleeper looked at the latest value, and a
// wake finds whoever sleeps by then. No thread learns by it what another one did before. A sleep
// that has a deadline may end at any time.
//
// Thread safety: none. Only futex_sleep() blocks.
#pragma once

#include <cstdint>

#include "interleave/memory.h"

namespace penstock::interleave {

// False: timed out.
bool futex_sleep(Place place, bool may_time_out);
void futex_rouse(Place place, std::int32_t count);
// Between executions: whoever slept is gone.
void forget_sleepers();

}  // namespace penstock::interleave
