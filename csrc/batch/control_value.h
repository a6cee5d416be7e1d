// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The bytes of a control input for one row (contract 2.7, S-28). Pure; thread safe.
#pragma once

#include <cstddef>

#include "penstock/plan.h"
#include "penstock/request.h"

namespace penstock {

// The most that write_control() writes for this row.
[[nodiscard]] std::size_t control_bytes(const TensorSpec& spec, const Request& request);
// Writes the one element; returns its bytes. `ready` false: a row that stands for no request, which
// starts, ends and is called nothing.
std::size_t write_control(const TensorSpec& spec, const SequenceControl& control,
                          const Request& request, bool ready, std::byte* to);

}  // namespace penstock
