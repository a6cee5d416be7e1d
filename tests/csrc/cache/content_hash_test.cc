// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/content_hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <set>
#include <vector>

namespace penstock {
namespace {

std::vector<std::byte> some_bytes(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(ContentHashTest, SameBytesSameHashWhereverTheyAre) {
  const ContentHash hash;
  for (std::size_t size = 0; size < 200; ++size) {
    const auto bytes = some_bytes(size);
    std::vector<std::byte> shifted(3);
    shifted.insert(shifted.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(hash(1, bytes.data(), size), hash(1, shifted.data() + 3, size));
  }
}

TEST(ContentHashTest, EveryBitAndTheLengthAndTheBeginningMatter) {
  const ContentHash hash;
  for (const std::size_t size : {1, 7, 8, 63, 64, 65, 128, 300}) {
    auto bytes = some_bytes(size);
    std::set<std::uint64_t> hashes{hash(0, bytes.data(), size)};
    hashes.insert(hash(1, bytes.data(), size));
    hashes.insert(hash(0, bytes.data(), size - 1));
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      bytes[bit / 8] ^= std::byte(1 << (bit % 8));
      hashes.insert(hash(0, bytes.data(), size));
      bytes[bit / 8] ^= std::byte(1 << (bit % 8));
    }
    EXPECT_EQ(hashes.size(), 3 + 8 * size) << "of " << size << " bytes";
  }
}

TEST(ContentHashTest, ZerosOfDifferentLengthsDiffer) {
  const ContentHash hash;
  const std::vector<std::byte> zeros(4096);
  std::set<std::uint64_t> hashes;
  for (std::size_t size = 0; size <= zeros.size(); ++size) {
    hashes.insert(hash(0, zeros.data(), size));
  }
  EXPECT_EQ(hashes.size(), zeros.size() + 1);
}

// Small integers, as inputs often are: no collision, and half the bits flip from one to the next.
TEST(ContentHashTest, SpreadsSmallNumbers) {
  const ContentHash hash;
  constexpr int kNumbers = 100000;
  std::set<std::uint64_t> hashes;
  std::uint64_t before = 0;
  double flipped = 0;
  for (std::int32_t i = 0; i < kNumbers; ++i) {
    const std::uint64_t now = hash(0, reinterpret_cast<const std::byte*>(&i), sizeof(i));
    hashes.insert(now);
    if (i > 0) flipped += std::popcount(now ^ before);
    before = now;
  }
  EXPECT_EQ(hashes.size(), static_cast<std::size_t>(kNumbers));
  EXPECT_NEAR(flipped / (kNumbers - 1), 32.0, 0.5);
}

TEST(ContentHashTest, KeysDiffer) {
  const auto bytes = some_bytes(40);
  EXPECT_NE(ContentHash()(0, bytes.data(), 40), ContentHash()(0, bytes.data(), 40));
}

}  // namespace
}  // namespace penstock
