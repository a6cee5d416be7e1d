// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// kCacheLine: what is written by different threads is kept this far apart. A constant of our own,
// because std::hardware_destructive_interference_size changes with compiler flags and so would the
// layout of types that several objects share.
#pragma once

#include <cstddef>

namespace penstock {

inline constexpr std::size_t kCacheLine = 64;

}  // namespace penstock
