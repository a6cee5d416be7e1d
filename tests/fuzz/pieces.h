// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Ways in which a network may cut a stream of bytes. What a parser makes of the bytes may not
// depend on them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::fuzz {

enum class Cut : std::uint8_t { kWhole, kSingleBytes, kAnywhere };
inline constexpr std::array<Cut, 3> kCuts{Cut::kWhole, Cut::kSingleBytes, Cut::kAnywhere};

// Calls feed(piece) for each piece; the same bytes are always cut at the same places.
template <typename Feed>
void for_each_piece(std::string_view bytes, Cut cut, Feed&& feed) {
  std::uint32_t state = 2166136261u;  // FNV-1a of the bytes, then a linear congruence
  for (const char c : bytes) state = (state ^ static_cast<unsigned char>(c)) * 16777619u;
  while (!bytes.empty()) {
    std::size_t size = bytes.size();
    if (cut == Cut::kSingleBytes) size = 1;
    if (cut == Cut::kAnywhere) {
      state = state * 1664525u + 1013904223u;
      const std::size_t most = (state >> 30) == 0 ? bytes.size() : 16;
      size = std::min(bytes.size(), 1 + (state >> 8) % most);
    }
    feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
}

}  // namespace penstock::fuzz
