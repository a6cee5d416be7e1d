// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// One output of one response, checked against its specification. Thread safety: the response's.
#pragma once

#include "penstock/request.h"

namespace penstock {

// Turns the back end's view of an output into the client's. INTERNAL when its bytes are not what
// its shape says, or, unless the plan takes outputs as given, when it is not what the model says;
// in a text that names output and model.
[[nodiscard]] Status check_output(const ModelPlan& plan, std::uint32_t spec, TensorView& view);

// Adds a checked output to the response if the client wants it and may see it; the request is
// answered either way.
void give_output(const Request& request, Response& response, std::uint32_t spec,
                 const TensorView& view, const BufferLease& lease);

// The error for an output in a GPU's memory that nobody can fetch from there.
[[nodiscard]] Status on_no_device(const ModelPlan& plan, std::uint32_t spec,
                                  const TensorView& view);

// Both; of an output in the host's memory.
[[nodiscard]] Status add_output(const Request& request, Response& response, std::uint32_t spec,
                                const TensorView& view, const BufferLease& lease);

}  // namespace penstock
