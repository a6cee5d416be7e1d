// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/completion_ring.h"

namespace penstock {

template class BasicCompletionRing<std::atomic>;

}  // namespace penstock
