// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// route: which requests are answered here (contract 1.1); all others are passed on.
//
// The whole path must match, undecoded. Thread safety: a pure function. Ownership: a Route borrows
// from the path. Nothing blocks.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock::door {

enum class RouteKind : std::uint8_t { kPassOn, kInfer, kServerLive, kServerReady, kModelReady };

struct Route {
  RouteKind kind = RouteKind::kPassOn;
  std::string_view model;
  std::string_view version;  // digits, or empty: the latest
};

[[nodiscard]] Route route(std::string_view method, std::string_view path);

}  // namespace penstock::door
