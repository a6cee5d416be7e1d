// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What a text that simdjson refused is looked through for.
//
// Its depth, which simdjson tells not exactly (an empty container does not count there), and NaN,
// Infinity and -Infinity as array elements, which JSON has not, but Python's json and RapidJSON
// write and read (suite L0_nan_inf): they are rewritten into objects, which no array of numbers may
// hold otherwise. Pure functions; safe on any thread; nothing blocks.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::wire {

// The most containers that are open at once; counting stops when it passes `limit`.
[[nodiscard]] std::size_t nesting_depth(std::string_view json, std::size_t limit);

// False, when there is nothing to rewrite: `out` is then of no use.
[[nodiscard]] bool rewrite_nonfinite(std::string_view json, std::string& out);

// The number that a rewritten element stands for.
[[nodiscard]] std::optional<double> nonfinite_value(simdjson::dom::element element);

}  // namespace penstock::wire
