// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// An ONNX Runtime value as a leased Buffer: its bytes go to the client without a copy. Thread
// safety: the lease may be dropped on any thread. Ownership: the lease owns the value and keeps its
// session, whose allocator the memory goes back to. The last lease of a session that is unloaded
// otherwise frees the session too.
#pragma once

#include <memory>

#include "backends/onnx_session.h"
#include "penstock/buffer.h"

namespace penstock {

// Takes over `value`, a tensor with the bytes that `view` shows.
[[nodiscard]] BufferLease lease_value(std::shared_ptr<const OnnxSession> session, ort::Value* value,
                                      const TensorView& view);

}  // namespace penstock
