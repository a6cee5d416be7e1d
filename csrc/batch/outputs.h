// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// One output of one response, checked against its specification. Thread safety: the response's.
#pragma once

#include "penstock/request.h"

namespace penstock {

// Adds the output to the response if the client wants it. INTERNAL when it is not what the model
// says, in a text that names output and model.
[[nodiscard]] Status add_output(const Request& request, Response& response, std::uint32_t spec,
                                const TensorView& view, const BufferLease& lease);

}  // namespace penstock
