// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Memory of a client, by the name of its POSIX shared memory object (contract SHM-2).
//
// The client can shorten the object at any time. Whether it still is as long as it was said to be
// is looked at with every use; should it shrink while it is used, the server reads zeros
// (BusGuard). Thread safety: the lease's. Ownership: the mapping and the object's descriptor are
// the buffer's. Opening blocks.
#pragma once

#include <cstdint>
#include <string_view>

#include "penstock/buffer.h"

namespace penstock {

// INVALID_ARG: what is asked for is not inside the object.
[[nodiscard]] Status check_system_region(std::string_view name, const Buffer& region);

}  // namespace penstock
