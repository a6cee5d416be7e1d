// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HeaderRules: what a door does with headers beside its protocol's own: restricted APIs (1.14),
// header forwarding (1.15), trace contexts (T-22).
//
// A door without rules looks at none of this. Thread safety: immutable, any thread. Ownership: a
// door keeps a copy. Nothing blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <regex>
#include <string>
#include <string_view>

#include "penstock/request.h"
#include "penstock/status.h"

namespace penstock {

// Who does not send it may not use the API.
struct RequiredHeader {
  std::string name;  // empty: the API is open
  std::string value;

  [[nodiscard]] bool set() const { return !name.empty(); }
  [[nodiscard]] bool named(std::string_view header) const;
};

// Chooses headers by their names: an ECMAScript expression that is searched in any case.
class HeaderForwarding {
 public:
  static constexpr std::size_t kMaxName = 256;  // bytes; a longer name is not forwarded

  // INVALID_ARG when it is no expression. RE2's prefix (?i) changes nothing and is taken.
  [[nodiscard]] static Result<std::shared_ptr<const HeaderForwarding>> compile(
      std::string_view pattern);
  // Whether it is to be forwarded. INVALID_ARG for a name that means something else to the server.
  [[nodiscard]] Result<bool> takes(std::string_view name) const;

 private:
  explicit HeaderForwarding(std::regex pattern) : pattern_(std::move(pattern)) {}

  const std::regex pattern_;
};

// Becomes a parameter of a request that is not yet decoded; its body may have a better one.
void forward_header(Request& request, std::string_view name, std::string_view value);

struct HeaderRules {
  RequiredHeader for_health;
  RequiredHeader for_inference;
  std::shared_ptr<const HeaderForwarding> forwarding;  // null: no header is forwarded
  bool trace_context = false;                          // `traceparent` is the request's

  [[nodiscard]] bool any() const {
    return for_health.set() || for_inference.set() || forwarding || trace_context;
  }
};

inline constexpr std::string_view kTraceContext = "traceparent";

}  // namespace penstock
