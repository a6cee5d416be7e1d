// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/onnx_value_lease.h"

namespace penstock {
namespace {

struct OwnedValue {
  Buffer buffer;
  std::shared_ptr<const OnnxSession> session;
  ort::Value* value;
};

void release_owned(Buffer* buffer) noexcept {
  const std::unique_ptr<OwnedValue> owned(static_cast<OwnedValue*>(buffer->owner));
  owned->session->api().release_value(owned->value);
}

}  // namespace

BufferLease lease_value(std::shared_ptr<const OnnxSession> session, ort::Value* value,
                        const TensorView& view) {
  auto* owned = new OwnedValue{{}, std::move(session), value};
  owned->buffer.data = const_cast<std::byte*>(view.data);
  owned->buffer.size_bytes = view.size_bytes;
  owned->buffer.release = release_owned;
  owned->buffer.owner = owned;
  return BufferLease::adopt(&owned->buffer);
}

}  // namespace penstock
