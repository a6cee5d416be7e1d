// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Protobuf messages made by hand for tests, right and wrong ones.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>

namespace penstock::testing {

inline std::string varint_value(std::uint32_t field, std::uint64_t value) {
  std::string out;
  protozero::pbf_writer(out).add_uint64(field, value);
  return out;
}

inline std::string text_value(std::uint32_t field, std::string_view value) {
  std::string out;
  protozero::pbf_writer(out).add_string(field, value.data(), value.size());
  return out;
}

// The values of an InferParameter.
inline std::string bool_param(bool value) { return varint_value(1, value ? 1 : 0); }
inline std::string int64_param(std::int64_t value) {
  return varint_value(2, static_cast<std::uint64_t>(value));
}
inline std::string string_param(std::string_view value) { return text_value(3, value); }
inline std::string uint64_param(std::uint64_t value) { return varint_value(5, value); }
inline std::string double_param(double value) {
  std::string out;
  protozero::pbf_writer(out).add_double(4, value);
  return out;
}

// An entry of a map<string, InferParameter> that is field `field` of its message.
inline std::string parameter(std::uint32_t field, std::string_view name, std::string_view value) {
  return text_value(field, text_value(1, name) + text_value(2, value));
}

inline std::string shape_field(std::initializer_list<std::int64_t> dims) {
  std::string out;
  protozero::pbf_writer(out).add_packed_int64(3, dims.begin(), dims.end());
  return out;
}

// Field 5 of a request: an InferInputTensor.
inline std::string input_field(std::string_view name, std::string_view type,
                               std::initializer_list<std::int64_t> dims,
                               std::string_view rest = "") {
  return text_value(
      5, text_value(1, name) + text_value(2, type) + shape_field(dims) + std::string(rest));
}

inline std::string raw_field(std::string_view data) { return text_value(7, data); }
inline std::string output_field(std::string_view name, std::string_view rest = "") {
  return text_value(6, text_value(1, name) + std::string(rest));
}
inline std::string contents(std::string_view fields) { return text_value(5, fields); }

}  // namespace penstock::testing
