// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// gzip and deflate bodies (H-33, H-34), in slices and under a bound (H-25).
//
// A slice is about a millisecond of work, so that a loop can serve others between two of them.
// Thread safety: none needed. Ownership: an Inflater's result is a pooled buffer. Nothing blocks.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "door/bounds.h"
#include "penstock/buffer.h"
#include "penstock/codec.h"
#include "penstock/status.h"

namespace penstock::door {

enum class Encoding : std::uint8_t { kIdentity, kGzip, kDeflate };

// The encoding of a reply: the highest weight wins, the first of equals; identity when none counts.
[[nodiscard]] Encoding negotiate(std::string_view accept_encoding);
[[nodiscard]] std::string_view encoding_name(Encoding encoding);

// Undoes gzip or deflate, whichever it is, as Triton does.
class Inflater {
 public:
  // `body` is lent. Errors of a body that is corrupt, truncated, followed by more, or too large.
  Inflater(ByteSpan body, std::uint64_t max_bytes, BufferPool& pool, ByteBudget& budget);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Works on; sets `done` when the whole body is out.
  [[nodiscard]] Status step(bool& done);
  [[nodiscard]] const BufferLease& buffer() const { return out_; }
  [[nodiscard]] std::size_t size_bytes() const { return size_; }

 private:
  [[nodiscard]] Status make_room();
  [[nodiscard]] Status verdict(int code, bool& done);

  const ByteSpan body_;
  const std::uint64_t max_bytes_;
  BufferPool& pool_;
  ByteBudget& budget_;
  std::uint64_t budgeted_ = 0;
  z_stream stream_{};
  BufferLease out_;
  std::size_t size_ = 0;
};

// Compresses a reply, all segments as one stream.
class Deflater {
 public:
  Deflater(std::span<const ByteSpan> segments, Encoding encoding);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // True when everything is in `out`. False: call again.
  bool step(std::string& out);
  // Memory ran out: the reply has to go uncompressed (H-34).
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::size_t take_input(std::size_t at_most);

  std::span<const ByteSpan> segments_;  // not begun yet
  ByteSpan left_;                       // of the segment that was begun
  z_stream stream_{};
  bool failed_ = false;
};

}  // namespace penstock::door
