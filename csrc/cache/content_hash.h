// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ContentHash: a keyed 64-bit hash of tensors' bytes.
//
// Multiplies 64-bit words to 128 bits and folds, in four lanes, so that it runs at the speed of
// memory. The key is drawn at random: nobody can prepare inputs that collide. Stable between
// processes that share it. Thread safety: immutable. Nothing blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace penstock {

class ContentHash {
 public:
  static constexpr std::size_t kLanes = 4;
  using Key = std::array<std::uint64_t, kLanes>;

  // With a random key.
  ContentHash() : key_(random_key()) {}
  explicit ContentHash(const Key& key) : key_(key) {}
  [[nodiscard]] static Key random_key();
  // Of the bytes, continuing from what was hashed before them.
  [[nodiscard]] std::uint64_t operator()(std::uint64_t before, const std::byte* data,
                                         std::size_t size_bytes) const;

 private:
  using Lanes = Key;
  void absorb(Lanes& lanes, const std::byte* block) const;

  Key key_;
};

}  // namespace penstock
