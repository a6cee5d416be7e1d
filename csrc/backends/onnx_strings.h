// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// BYTES tensors in the protocol's form (4-byte length, bytes) to and from ONNX Runtime's string
// tensors. Both copy: ONNX Runtime keeps a std::string an element. Thread safety: pure functions
// over what they are given. Nothing blocks.
#pragma once

#include <cstddef>
#include <vector>

#include "backends/ort_api.h"
#include "penstock/backend.h"

namespace penstock {

// A new string tensor with the elements of `view`. Elements may hold any byte, zero too.
[[nodiscard]] Status make_string_value(const ort::Api& api, const TensorView& view,
                                       ort::Value** value);

// The elements of a string tensor in memory of the batch's pool. view.shape is given; data and
// size are set. `offsets` is scratch.
[[nodiscard]] Status read_string_value(const ort::Api& api, const ort::Value* value, Batch& batch,
                                       std::vector<std::size_t>& offsets, TensorView& view,
                                       BufferLease& lease);

}  // namespace penstock
