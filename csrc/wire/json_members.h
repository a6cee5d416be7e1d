// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Members of JSON objects, read with their types checked. Errors are those of contract H-40:
// "Unable to parse '<member>': <reason>", the reason naming what was found and where. Pure
// functions; thread safe; values borrow from the document; nothing blocks.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "penstock/status.h"

namespace penstock::wire {

// Where in a request something stands, for error texts.
struct Place {
  std::string_view list;  // "inputs", "outputs", or empty: the request itself
  std::size_t index = 0;
};

struct Member {
  std::string_view name;
  simdjson::dom::element value;
  bool present = false;

  explicit Member(std::string_view member_name) : name(member_name) {}
};

[[nodiscard]] Status unable_to_parse(std::string_view member, std::string_view reason,
                                     const Place& place);

// Fills the members that `object` has; others in it are skipped. Two of one name are refused.
[[nodiscard]] Status collect_members(simdjson::dom::object object, std::span<Member> members,
                                     const Place& place);

[[nodiscard]] Status read_member(const Member& member, const Place& place, std::string_view& value);
[[nodiscard]] Status read_member(const Member& member, const Place& place, std::uint64_t& value);
[[nodiscard]] Status read_member(const Member& member, const Place& place, bool& value);
[[nodiscard]] Status read_member(const Member& member, const Place& place,
                                 simdjson::dom::array& value);
[[nodiscard]] Status read_member(const Member& member, const Place& place,
                                 simdjson::dom::object& value);

// "a string", "an array", ...
[[nodiscard]] std::string_view kind_name(simdjson::dom::element element);

}  // namespace penstock::wire
