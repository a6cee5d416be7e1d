// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/cached_answer.h"

#include <algorithm>
#include <new>

namespace penstock {
namespace {

constexpr std::size_t kAlignment = 64;

// Whether the entry was made for a request that asked for the output.
bool asked_for(const CachedAnswer& answer, std::uint32_t spec) {
  return std::find(answer.asked.begin(), answer.asked.end(), spec) != answer.asked.end();
}

bool covers(const CachedAnswer& answer, const Request& request) {
  if (answer.asked.empty()) return true;
  if (request.outputs.empty()) {
    const auto all = static_cast<std::uint32_t>(request.plan().client_outputs());
    for (std::uint32_t i = 0; i < all; ++i) {
      if (!asked_for(answer, i)) return false;
    }
    return true;
  }
  return std::all_of(request.outputs.begin(), request.outputs.end(),
                     [&](const RequestedOutput& o) { return asked_for(answer, o.spec); });
}

}  // namespace

std::size_t aligned_in_answer(std::size_t size_bytes) {
  return (size_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

BufferLease allocate_answer(std::size_t size_bytes) {
  auto* buffer = new Buffer;
  buffer->data = static_cast<std::byte*>(::operator new (
      std::max(size_bytes, kAlignment), std::align_val_t{kAlignment}, std::nothrow));
  buffer->size_bytes = size_bytes;
  buffer->release = [](Buffer* b) noexcept {
    ::operator delete (b->data, std::align_val_t{kAlignment});
    delete b;
  };
  BufferLease lease = BufferLease::adopt(buffer);
  return buffer->data != nullptr ? lease : BufferLease();
}

bool in_host_memory(const Response& response) {
  return std::all_of(response.outputs.begin(), response.outputs.end(),
                     [](const OutputTensor& o) { return o.view.memory != MemoryKind::kGpu; });
}

bool give_answer(const CachedAnswer& answer, Request& request) {
  if (!covers(answer, request)) return false;
  for (const auto& output : answer.outputs) {
    if (request.wants_output(output.spec)) request.response.outputs.append() = output;
  }
  request.response.answered = true;
  return true;
}

}  // namespace penstock
