// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Bytes in blocks of their exact size, so that a read past the end is seen by the sanitizer.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "penstock/buffer.h"
#include "penstock/codec.h"

namespace penstock::testing {

// A lease on a copy of some text in a block that has not a byte more.
inline BufferLease exact_lease(std::string_view text) {
  auto* buffer = new Buffer;
  buffer->data = new std::byte[text.size()];
  buffer->size_bytes = text.size();
  if (!text.empty()) std::memcpy(buffer->data, text.data(), text.size());
  buffer->release = [](Buffer* b) noexcept {
    delete[] b->data;
    delete b;
  };
  return BufferLease::adopt(buffer);
}

inline ByteSpan span_of(const BufferLease& lease) { return {lease->data, lease->size_bytes}; }

inline std::string text_of(const Reply& reply) {
  std::string text;
  for (const ByteSpan segment : reply.segments) {
    text.append(reinterpret_cast<const char*>(segment.data()), segment.size());
  }
  return text;
}

}  // namespace penstock::testing
