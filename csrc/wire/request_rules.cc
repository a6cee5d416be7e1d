// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/request_rules.h"

#include <algorithm>
#include <limits>
#include <string>

namespace penstock::wire {
namespace {

constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();

// A name that no model has is kept for the error text, and compared with the others like it.
constexpr std::size_t kMaxUnknownName = 1024;  // bytes
constexpr std::size_t kMaxKey = 1024;          // bytes

Status name_too_long(const char* kind, std::string_view name) {
  return invalid_arg("unexpected inference " + std::string(kind) + " '" +
                     std::string(name.substr(0, 64)) + "...', a name of " +
                     std::to_string(name.size()) + " bytes");
}

Status already_exists(const Request& request, std::string_view kind, std::string_view name) {
  std::string text = request.tag_text();
  text.append(kind).append(" '").append(name).append("' already exists in request");
  return invalid_arg(std::move(text));
}

}  // namespace

Status too_many(std::string_view what, std::uint64_t count, std::uint64_t max) {
  std::string text = "request has ";
  text.append(std::to_string(count)).append(" ").append(what);
  text.append(", at most ").append(std::to_string(max)).append(" are allowed");
  return invalid_arg(std::move(text));
}

Status rank_too_high(std::string_view input, std::uint64_t rank) {
  std::string text = "invalid shape for input '";
  text.append(input).append("': it has ").append(std::to_string(rank));
  text.append(" dimensions, at most ").append(std::to_string(Shape::kMaxRank));
  text.append(" are supported");
  return invalid_arg(std::move(text));
}

Status invalid_data_type(std::string_view input) {
  return invalid_arg("invalid datatype for input " + std::string(input));
}

Status check_shape(std::string_view input, DataType type, const Shape& shape) {
  const auto invalid = [&](const char* reason) {
    std::string text = "invalid shape for input '";
    text.append(input).append("': shape ").append(to_string(shape)).append(reason);
    return invalid_arg(std::move(text));
  };
  for (const std::int64_t dim : shape.dims()) {
    if (dim < 0) return invalid(" contains one or more invalid dimensions");
  }
  const auto count = element_count(shape);
  if (!count) {
    return invalid(" causes total element count to exceed maximum size of 9223372036854775807");
  }
  const std::size_t size = element_size(type);
  if (size == 0 || *count <= kMaxSize / size) return {};
  std::string text = "byte size overflow for input '";
  text.append(input).append("': element count (").append(std::to_string(*count));
  text.append(") * data type size (").append(std::to_string(size));
  text.append(") exceeds maximum allowed size (").append(std::to_string(kMaxSize)).append(")");
  return invalid_arg(std::move(text));
}

Status missing_bytes(const Request& request, std::string_view input, std::uint64_t missing) {
  std::string text = "unexpected size for input '";
  text.append(input).append("', expecting ").append(std::to_string(missing));
  text.append(" additional bytes for model '").append(request.plan().name).append("'");
  return invalid_arg(std::move(text));
}

Status surplus_bytes(const Request& request) {
  return invalid_arg("unexpected additional input data for model '" + request.plan().name + "'");
}

Status add_input(Request& request, std::string_view name, InputTensor*& input) {
  if (name.size() > kMaxUnknownName && request.plan().find_input(name) < 0) {
    return name_too_long("input", name);
  }
  input = request.add_input(name);
  return input ? Status{} : already_exists(request, "input", name);
}

Status add_output(Request& request, std::string_view name, RequestedOutput*& output) {
  if (name.size() > kMaxUnknownName && request.plan().find_output(name) < 0) {
    return name_too_long("output", name);
  }
  output = request.add_output(name);
  return output ? Status{} : already_exists(request, "output", name);
}

void borrow(InputTensor& input, const std::byte* data, std::size_t size_bytes,
            const BufferLease& owner) {
  input.view.data = data;
  input.view.size_bytes = size_bytes;
  input.lease = owner;
}

Status acquire(BufferPool& pool, std::string_view name, std::size_t size_bytes, InputTensor& input,
               std::byte*& data) {
  input.lease = pool.acquire(size_bytes);
  if (!input.lease) {
    std::string text = "no memory left for the ";
    text.append(std::to_string(size_bytes)).append(" bytes of input '").append(name).append("'");
    return unavailable(std::move(text));
  }
  data = input.lease->data;
  input.view.data = data;
  input.view.size_bytes = size_bytes;
  input.view.memory = input.lease->memory;
  input.view.device = input.lease->device;
  return {};
}

Status check_key_length(std::string_view key) {
  if (key.size() <= kMaxKey) return {};
  return invalid_arg("parameter '" + std::string(key.substr(0, 64)) + "...' has a key of " +
                     std::to_string(key.size()) + " bytes, more than the maximum " +
                     std::to_string(kMaxKey));
}

bool is_reserved_key(std::string_view key) { return key.starts_with("triton_"); }

Status set_correlation_id(Request& request, std::string_view id) {
  if (id.size() > kMaxCorrelationId) {
    return unsupported("string correlation ID cannot be longer than 128 characters");
  }
  request.correlation_id_string.assign(id);
  return {};
}

void set_flag(Request& request, RequestFlag flag, bool on) {
  if (on) request.flags |= flag;
}

Parameter& parameter(Request& request, std::string_view name) {
  for (Parameter& existing : request.parameters) {
    if (existing.name == name) return existing;
  }
  Parameter& added = request.parameters.append();
  added.name.assign(name);
  return added;
}

bool has_parameter(const Request& request, std::size_t forwarded, std::string_view name) {
  return std::any_of(request.parameters.begin() + forwarded, request.parameters.end(),
                     [name](const Parameter& p) { return p.name == name; });
}

void assign(Parameter& parameter, std::string_view text) {
  if (auto* string = std::get_if<std::string>(&parameter.value)) {
    string->assign(text);
  } else {
    parameter.value.emplace<std::string>(text);
  }
}

}  // namespace penstock::wire
