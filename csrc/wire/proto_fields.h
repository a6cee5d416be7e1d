// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Fields of protobuf messages by number and wire type: labels for `switch (tag_and_type())`, and
// reading one. A known number with another wire type matches no label and is skipped as unknown,
// as protobuf does. Pure functions; thread safe; nothing blocks.
#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string_view>

namespace penstock::wire {

constexpr std::uint32_t varint_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::varint);
}
constexpr std::uint32_t fixed64_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::fixed64);
}
constexpr std::uint32_t fixed32_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::fixed32);
}
constexpr std::uint32_t length_field(std::uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::length_delimited);
}

// All integers and booleans, as protobuf reads them: 64 bits, then cut. (protozero's get_bool
// looks at one byte only, and asserts that there are no more.)
inline std::uint64_t varint_of(protozero::pbf_reader& reader) { return reader.get_uint64(); }

inline std::string_view view_of(protozero::pbf_reader& reader) {
  const auto view = reader.get_view();
  return {view.data(), view.size()};
}

}  // namespace penstock::wire
