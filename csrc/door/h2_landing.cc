// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/h2_landing.h"

#include <algorithm>
#include <cstring>

namespace penstock::door {
namespace {

std::size_t number(std::span<const std::byte> bytes) {
  std::size_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::size_t>(byte);
  return value;
}

}  // namespace

H2Landing::H2Landing() : scratch_(new std::byte[kScratchBytes]) {}

std::span<iovec> H2Landing::plan(const H2Expected& expected) {
  count_ = first_head_ = frames_ = 0;
  stream_ = expected.stream;
  const std::size_t known = std::min(expected.frame_left, expected.room.size());
  bool all = true;
  if (known >= kLeastFrameBytes || (known > 0 && expected.frame_bytes >= kLeastFrameBytes)) {
    add(expected.room.data(), known);
    first_head_ = count_;
    if (known == expected.frame_left) all = foresee(expected, expected.room.subspan(known));
  }
  // Behind a message anything may come; within one the next read goes on in place.
  if (all) add(scratch_.get(), kScratchBytes);
  return std::span(elements_).first(count_);
}

// False: there is more of the message than one read is to take. It then stops within a frame,
// where the next one can go on.
bool H2Landing::foresee(const H2Expected& expected, std::span<std::byte> room) {
  if (expected.frame_bytes < kLeastFrameBytes) return true;
  std::size_t left = kMostBytes;
  while (!room.empty()) {
    const std::size_t size = std::min(expected.frame_bytes, room.size());
    const bool last = frames_ + 1 == kMostFrames || size > left;
    add(heads_[frames_].data(), kHeadBytes);
    add(room.data(), last ? std::min(size, left) / 2 : size);
    sizes_[frames_++] = size;
    if (last) return false;
    room = room.subspan(size);
    left -= size;
  }
  return true;
}

void H2Landing::add(std::byte* data, std::size_t size) { elements_[count_++] = {data, size}; }

std::span<const ByteSpan> H2Landing::land(std::size_t received) {
  std::size_t pieces = 0;
  for (std::size_t i = 0; i < count_ && received > 0; ++i) {
    const std::size_t size = std::min(elements_[i].iov_len, received);
    const bool whole_head = size == kHeadBytes && i >= first_head_ && (i - first_head_) % 2 == 0;
    const std::size_t frame = (i - first_head_) / 2;
    if (whole_head && frame < frames_ && !as_foreseen(i, frame)) {
      pieces_[pieces++] = flatten(i, received);
      break;
    }
    pieces_[pieces++] = {static_cast<const std::byte*>(elements_[i].iov_base), size};
    received -= size;
  }
  return std::span(pieces_).first(pieces);
}

// A DATA frame (type 0) of that size and stream, without padding; END_STREAM is flag 1.
bool H2Landing::as_foreseen(std::size_t element, std::size_t frame) const {
  const std::span head(static_cast<const std::byte*>(elements_[element].iov_base), kHeadBytes);
  return number(head.first(3)) == sizes_[frame] && head[3] == std::byte{0} &&
         (head[4] & ~std::byte{1}) == std::byte{0} &&
         number(head.subspan(5)) == static_cast<std::size_t>(stream_);
}

// The bytes from this element on, one behind the other.
ByteSpan H2Landing::flatten(std::size_t element, std::size_t received) {
  if (!flat_) flat_.reset(new std::byte[kMostFrames * kHeadBytes + kMostBytes + kScratchBytes]);
  std::size_t size = 0;
  for (; size < received; ++element) {
    const std::size_t part = std::min(elements_[element].iov_len, received - size);
    std::memcpy(flat_.get() + size, elements_[element].iov_base, part);
    size += part;
  }
  return {flat_.get(), size};
}

}  // namespace penstock::door
