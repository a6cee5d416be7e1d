// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// H2Landing: lays out a receive so that the payload of DATA frames lands where it is collected.
//
// Of the frame that is being received the rest is known; frames behind it are foreseen to be like
// it until the message is complete. What comes otherwise is copied out in one piece, so that what
// the session is given is always the bytes of the wire, in their order. Sans I/O: elements() is
// filled by whoever reads. Thread safety: none, one loop's. Ownership: of its scratch memory; the
// room of an H2Expected must live until the pieces are dealt with. Nothing blocks.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "penstock/buffer.h"
#include "penstock/codec.h"

namespace penstock::door {

// What the next bytes of a connection will be, as far as that can be told.
struct H2Expected {
  std::span<std::byte> room;    // for the rest of the message
  BufferLease lease;            // keeps the room
  std::int32_t stream = 0;      // whose DATA frame is being received
  std::size_t frame_left = 0;   // of its payload; 0: nothing is known
  std::size_t frame_bytes = 0;  // of the frames that will follow; 0: not known
};

class H2Landing {
 public:
  static constexpr std::size_t kScratchBytes = std::size_t{64} << 10;

  H2Landing();
  // Until the next plan() the elements are what a gathering read is to fill.
  std::span<iovec> plan(const H2Expected& expected);
  // The first `received` bytes of the elements are filled: what they are, in the order of the wire.
  [[nodiscard]] std::span<const ByteSpan> land(std::size_t received);

 private:
  static constexpr std::size_t kHeadBytes = 9;
  static constexpr std::size_t kMostFrames = 40;                   // foreseen for one read
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20;  // of their payloads
  // Below, copying costs less than a further element.
  static constexpr std::size_t kLeastFrameBytes = 4096;
  static constexpr std::size_t kElements = 2 * kMostFrames + 2;

  [[nodiscard]] bool foresee(const H2Expected& expected, std::span<std::byte> room);
  void add(std::byte* data, std::size_t size);
  [[nodiscard]] bool as_foreseen(std::size_t element, std::size_t frame) const;
  [[nodiscard]] ByteSpan flatten(std::size_t element, std::size_t received);

  std::array<iovec, kElements> elements_;
  std::array<ByteSpan, kElements> pieces_;
  std::array<std::array<std::byte, kHeadBytes>, kMostFrames> heads_;
  std::array<std::size_t, kMostFrames> sizes_;  // of the foreseen payloads
  std::size_t count_ = 0;                       // elements
  std::size_t first_head_ = 0;                  // the element of the first foreseen head
  std::size_t frames_ = 0;
  std::int32_t stream_ = 0;
  std::unique_ptr<std::byte[]> scratch_;  // what is not foreseen
  std::unique_ptr<std::byte[]> flat_;     // what came otherwise; made when first needed
};

}  // namespace penstock::door
