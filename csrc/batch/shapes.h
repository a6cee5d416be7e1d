// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The two views of a tensor's shape: the client's (dims, batch dimension in front) and the back
// end's (reshape, contract C-2), and how one becomes the other. Pure; thread safe.
#pragma once

#include "penstock/plan.h"
#include "penstock/request.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock {

// The client's shape of an input as the back end sees it. `batching`: the first dimension is the
// batch and stays.
[[nodiscard]] Shape backend_shape(const TensorSpec& spec, const Shape& client, bool batching);

// The back end's shape of an output as the client sees it; INTERNAL when it does not fit the
// specification, in a text that names output and model.
[[nodiscard]] Status client_shape(const ModelPlan& plan, const TensorSpec& spec,
                                  const Shape& backend, Shape& client);

// S-42: a batch dimension of one is dropped, or put in front, where that makes the shape fit.
void adapt_batch(const TensorSpec& spec, bool batching, Shape& shape);

// Whether two requests can share a batch: the same set of inputs and, but for ragged ones, the same
// shapes behind the batch dimension; shape tensors also equal in content (S-2.2, C-3, C-5).
[[nodiscard]] bool can_share_batch(const Request& a, const Request& b);

}  // namespace penstock
