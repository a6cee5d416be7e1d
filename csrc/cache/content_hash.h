// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ContentHash: a keyed 64-bit hash of tensors' bytes.
//
// Multiplies 64-bit words to 128 bits and folds, in four lanes, so that it runs at the speed of
// memory. The key is drawn at random: nobody can prepare inputs that collide. Not stable between
// processes. Thread safety: immutable. Nothing blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace penstock {

class ContentHash {
 public:
  // With a random key.
  ContentHash();
  // Of the bytes, continuing from what was hashed before them.
  [[nodiscard]] std::uint64_t operator()(std::uint64_t before, const std::byte* data,
                                         std::size_t size_bytes) const;

 private:
  static constexpr std::size_t kLanes = 4;
  using Lanes = std::array<std::uint64_t, kLanes>;
  void absorb(Lanes& lanes, const std::byte* block) const;

  Lanes key_;
};

}  // namespace penstock
