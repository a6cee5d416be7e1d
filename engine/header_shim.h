// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The Results of HeaderForwarding for Cython, as Status and out parameter. No Python here.
#pragma once

#include <memory>
#include <string>

#include "penstock/header_rules.h"

namespace penstock::binding {

inline Status compile_forwarding(const std::string& pattern,
                                 std::shared_ptr<const HeaderForwarding>& out) {
  auto compiled = HeaderForwarding::compile(pattern);
  if (!compiled.ok()) return compiled.take_status();
  out = std::move(compiled.value());
  return {};
}

inline Status takes_header(const HeaderForwarding& forwarding, const std::string& name, bool& out) {
  const auto taken = forwarding.takes(name);
  if (!taken.ok()) return taken.status();
  out = taken.value();
  return {};
}

}  // namespace penstock::binding
