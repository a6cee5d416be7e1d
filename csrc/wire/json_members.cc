// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/json_members.h"

#include <string>

namespace penstock::wire {
namespace {

template <typename T>
Status read_as(const Member& member, const Place& place, std::string_view expected, T& value) {
  if (!member.present) return unable_to_parse(member.name, "the member is missing", place);
  if (member.value.get(value) == simdjson::SUCCESS) return {};
  std::string reason = "expected ";
  reason.append(expected).append(", got ").append(kind_name(member.value));
  return unable_to_parse(member.name, reason, place);
}

}  // namespace

std::string_view kind_name(simdjson::dom::element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::INT64:
      return element.get_int64().value_unsafe() < 0 ? "a negative integer" : "an integer";
    case simdjson::dom::element_type::UINT64:
      return "an integer";
    case simdjson::dom::element_type::DOUBLE:
      return "a number with a fraction or an exponent";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE:
      break;
  }
  return "null";
}

Status unable_to_parse(std::string_view member, std::string_view reason, const Place& place) {
  std::string text = "Unable to parse '";
  text.append(member).append("': ").append(reason);
  if (!place.list.empty()) {
    text.append(" in ").append(place.list);
    text.append("[").append(std::to_string(place.index)).append("]");
  }
  return invalid_arg(std::move(text));
}

Status collect_members(simdjson::dom::object object, std::span<Member> members,
                       const Place& place) {
  for (const auto [key, value] : object) {
    for (Member& member : members) {
      if (member.name != key) continue;
      if (member.present) return unable_to_parse(key, "the member occurs twice", place);
      member.value = value;
      member.present = true;
      break;
    }
  }
  return {};
}

Status read_member(const Member& member, const Place& place, std::string_view& value) {
  return read_as(member, place, "a string", value);
}

Status read_member(const Member& member, const Place& place, std::uint64_t& value) {
  return read_as(member, place, "an integer of 64 bits that is not negative", value);
}

Status read_member(const Member& member, const Place& place, bool& value) {
  return read_as(member, place, "a boolean", value);
}

Status read_member(const Member& member, const Place& place, simdjson::dom::array& value) {
  return read_as(member, place, "an array", value);
}

Status read_member(const Member& member, const Place& place, simdjson::dom::object& value) {
  return read_as(member, place, "an object", value);
}

}  // namespace penstock::wire
