// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/onnx_strings.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "request/string_tensor.h"

namespace penstock {
namespace {

using Length = std::uint32_t;  // little-endian on the wire, as on every platform built for

Status fill_elements(const ort::Api& api, const TensorView& view, std::uint64_t count,
                     ort::Value* value) {
  StringCursor cursor(view.data, view.size_bytes);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto text = cursor.next();
    if (!text) {
      return internal_error("string tensor of shape " + to_string(view.shape) + " ends after " +
                            std::to_string(i) + " elements");
    }
    char* to = nullptr;
    PENSTOCK_RETURN_IF_ERROR(
        api.check(api.get_resized_string_element(value, i, text->size(), &to)));
    if (!text->empty()) std::memcpy(to, text->data(), text->size());
  }
  return {};
}

// The bytes of all elements lie packed at the end of the buffer; each moves to the front behind its
// length. An element never passes the ones still to be moved: it gains 4 bytes of ground with every
// length written, and 4 * count is what it starts with.
void interleave_lengths(std::byte* data, std::size_t text_bytes,
                        const std::vector<std::size_t>& offsets, std::size_t count) {
  const std::byte* text = data + sizeof(Length) * count;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = i + 1 < count ? offsets[i + 1] : text_bytes;
    const auto length = static_cast<Length>(end - offsets[i]);
    std::memcpy(data, &length, sizeof(length));
    std::memmove(data + sizeof(length), text + offsets[i], length);
    data += sizeof(length) + length;
  }
}

}  // namespace

Status make_string_value(const ort::Api& api, const TensorView& view, ort::Value** value) {
  ort::Allocator* allocator = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_default_allocator(&allocator)));
  PENSTOCK_RETURN_IF_ERROR(
      api.check(api.create_tensor(allocator, view.shape.begin(), view.shape.rank(),
                                  ort::element_type(DataType::kBytes), value)));
  return fill_elements(api, view, element_count(view.shape).value_or(0), *value);
}

Status read_string_value(const ort::Api& api, const ort::Value* value, Batch& batch,
                         std::vector<std::size_t>& offsets, TensorView& view, BufferLease& lease) {
  const std::size_t count = element_count(view.shape).value_or(0);
  std::size_t text_bytes = 0;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_string_tensor_data_length(value, &text_bytes)));
  if (text_bytes > std::numeric_limits<Length>::max()) {
    return internal_error("a string output of " + std::to_string(text_bytes) +
                          " bytes is more than the protocol can carry");
  }
  view.size_bytes = text_bytes + sizeof(Length) * count;
  lease = batch.allocate(std::max<std::size_t>(view.size_bytes, 1));
  if (!lease) {
    return unavailable("no memory for a string output of " + std::to_string(view.size_bytes) +
                       " bytes");
  }
  view.data = lease->data;
  if (count == 0) return {};
  if (offsets.size() < count) offsets.resize(count);
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_string_tensor_content(
      value, lease->data + sizeof(Length) * count, text_bytes, offsets.data(), count)));
  interleave_lengths(lease->data, text_bytes, offsets, count);
  return {};
}

}  // namespace penstock
