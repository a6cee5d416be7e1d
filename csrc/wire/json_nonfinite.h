// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// NaN, Infinity and -Infinity as array elements of a request (suite L0_nan_inf; Python's json and
// RapidJSON write and read them, JSON has them not). simdjson refuses them, so that a text that it
// refused is searched for them, and they are rewritten into objects, which no number array may hold
// otherwise. Pure functions; safe on any thread; nothing blocks.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::wire {

// False, when there is nothing to rewrite: `out` is then of no use.
[[nodiscard]] bool rewrite_nonfinite(std::string_view json, std::uint32_t max_depth,
                                     std::string& out);

// The number that a rewritten element stands for.
[[nodiscard]] std::optional<double> nonfinite_value(simdjson::dom::element element);

}  // namespace penstock::wire
