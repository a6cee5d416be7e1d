// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/control_value.h"

#include <cstring>
#include <string_view>

namespace penstock {
namespace {

bool is_set(ControlKind kind, const Request& request, bool ready) {
  if (!ready) return false;
  if (kind == ControlKind::kStart) return (request.flags & kSequenceStart) != 0;
  if (kind == ControlKind::kEnd) return (request.flags & kSequenceEnd) != 0;
  return true;
}

std::size_t write_text(std::string_view text, std::byte* to) {
  const auto length = static_cast<std::uint32_t>(text.size());
  std::memcpy(to, &length, sizeof(length));
  if (length > 0) std::memcpy(to + sizeof(length), text.data(), length);
  return sizeof(length) + length;
}

}  // namespace

std::size_t control_bytes(const TensorSpec& spec, const Request& request) {
  if (spec.type != DataType::kBytes) return element_size(spec.type);
  return sizeof(std::uint32_t) + request.correlation_id_string.size();
}

std::size_t write_control(const TensorSpec& spec, const SequenceControl& control,
                          const Request& request, bool ready, std::byte* to) {
  const std::size_t size = element_size(spec.type);
  if (control.kind != ControlKind::kCorrelationId) {
    const bool set = is_set(control.kind, request, ready);
    std::memcpy(to, set ? control.true_value.data() : control.false_value.data(), size);
    return size;
  }
  if (spec.type == DataType::kBytes) {
    return write_text(ready ? std::string_view(request.correlation_id_string) : "", to);
  }
  const std::uint64_t number = ready ? request.correlation_id : 0;
  std::memcpy(to, &number, size);  // little-endian: the low bytes are the 32-bit types' value
  return size;
}

}  // namespace penstock
