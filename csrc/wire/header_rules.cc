// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/header_rules.h"

#include <algorithm>
#include <array>
#include <utility>

#include "wire/request_rules.h"

namespace penstock {
namespace {

constexpr std::array<std::string_view, 7> kReserved{
    "sequence_id", "sequence_start", "sequence_end",      "priority",
    "timeout",     "headers",        "binary_data_output"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

bool RequiredHeader::named(std::string_view header) const {
  return std::equal(header.begin(), header.end(), name.begin(), name.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

Result<std::shared_ptr<const HeaderForwarding>> HeaderForwarding::compile(
    std::string_view pattern) {
  constexpr std::string_view kAnyCase = "(?i)";
  if (pattern.starts_with(kAnyCase)) pattern.remove_prefix(kAnyCase.size());
  try {
    std::regex compiled(pattern.begin(), pattern.end(), std::regex::icase | std::regex::optimize);
    return std::shared_ptr<const HeaderForwarding>(new HeaderForwarding(std::move(compiled)));
  } catch (const std::regex_error& error) {
    return invalid_arg("'" + std::string(pattern) + "' is no regular expression: " + error.what());
  }
}

Result<bool> HeaderForwarding::takes(std::string_view name) const {
  if (name.size() > kMaxName) return false;
  try {
    if (!std::regex_search(name.begin(), name.end(), pattern_)) return false;
  } catch (const std::regex_error&) {  // too complex for this name
    return false;
  }
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
      wire::is_reserved_key(name)) {
    return invalid_arg("Header '" + std::string(name) +
                       "' is reserved for Triton usage and cannot be forwarded.");
  }
  return true;
}

void forward_header(Request& request, std::string_view name, std::string_view value) {
  wire::assign(wire::parameter(request, name), value);
}

}  // namespace penstock
