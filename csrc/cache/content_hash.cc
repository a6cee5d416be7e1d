// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/content_hash.h"

#include <bit>
#include <cstring>
#include <random>

namespace penstock {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::uint64_t kLengthKey =
    0x9e3779b97f4a7c15;  // the golden ratio: any odd number would do

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const std::byte* from) {
  std::uint64_t word;
  std::memcpy(&word, from, kWord);
  return word;
}

}  // namespace

ContentHash::Key ContentHash::random_key() {
  std::random_device random;
  Key key;
  for (auto& word : key) word = std::uint64_t{random()} << 32 | random();
  return key;
}

// The lane is kept beside the product: a factor that happens to be 0 must not erase what came
// before.
void ContentHash::absorb(Lanes& lanes, const std::byte* block) const {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const std::byte* at = block + 2 * kWord * i;
    lanes[i] = std::rotl(lanes[i], 29) + fold(load(at) ^ key_[i], load(at + kWord) ^ lanes[i]);
  }
}

std::uint64_t ContentHash::operator()(std::uint64_t before, const std::byte* data,
                                      std::size_t size_bytes) const {
  constexpr std::size_t kBlock = 2 * kWord * kLanes;
  Lanes lanes = key_;
  lanes[0] ^= before;
  std::size_t left = size_bytes;
  for (; left >= kBlock; left -= kBlock, data += kBlock) absorb(lanes, data);
  if (left > 0) {
    std::array<std::byte, kBlock> last{};  // the length, below, tells its padding from zeros
    std::memcpy(last.data(), data, left);
    absorb(lanes, last.data());
  }
  std::uint64_t hash = fold(before ^ key_[3], size_bytes ^ kLengthKey);
  for (std::size_t i = 0; i < kLanes; ++i)
    hash = fold(hash ^ key_[i], lanes[i] ^ kLengthKey) + hash;
  return hash;
}

}  // namespace penstock
