// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Batch inputs (contract 2.4): what a model is told of the shapes that its requests had, because
// their elements lie flat, one request behind the other.
//
// Pure: the shapes of the source input go in, as the back end sees them, one a request; a shape and
// values come out, those of all requests side by side. `batching`: a shape's first dimension is the
// number of its items; without, a request is one item. Thread safe. Nothing blocks or allocates.
#pragma once

#include <span>

#include "penstock/plan.h"
#include "penstock/tensor.h"

namespace penstock {

[[nodiscard]] Shape batch_input_shape(BatchInputKind kind, std::span<const Shape> sources,
                                      bool batching);

// Writes the elements of that shape, in `type` (INT32 or FP32). False: a count does not fit INT32.
[[nodiscard]] bool write_batch_input(BatchInputKind kind, DataType type,
                                     std::span<const Shape> sources, bool batching, std::byte* to);

}  // namespace penstock
