// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// BodyReceiver: the body of one request, from the socket to where its tensors will lie.
//
// A body that fits behind its head in the receive buffer stays there. A larger one of known length
// is received in place into a pooled buffer, so placed that the binary data behind its JSON part is
// 64-byte aligned. A chunked one is collected in a buffer that grows. Thread safety: none needed.
// Ownership: leases; a body that was handed out lives as long as its lease. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "door/bounds.h"
#include "door/chunked_body.h"
#include "door/http1_parser.h"
#include "penstock/buffer.h"
#include "penstock/codec.h"

namespace penstock::door {

class BodyReceiver {
 public:
  BodyReceiver(BufferPool& pool, ByteBudget& budget, std::uint64_t max_bytes)
      : pool_(pool), budget_(budget), max_bytes_(max_bytes) {}
  ~BodyReceiver() { reset(); }
  BodyReceiver(const BodyReceiver&) = delete;
  BodyReceiver& operator=(const BodyReceiver&) = delete;

  // `receive_buffer` holds the head, and room for the body behind `body_at` up to its end.
  // `json_bytes`: where binary data begins, when that is known. Errors: too large, no memory, the
  // budget is used up.
  [[nodiscard]] HttpError begin(const RequestHead& head, const BufferLease& receive_buffer,
                                std::size_t body_at, std::optional<std::uint64_t> json_bytes);
  // The body is read and dropped.
  void begin_dropping(const RequestHead& head);

  // Takes what belongs to the body off the front of the receive buffer's bytes.
  [[nodiscard]] HttpError take(std::string_view& received);
  // Where to receive into directly; empty: into the receive buffer, then take().
  [[nodiscard]] std::span<std::byte> room() const;
  void received(std::size_t bytes) { size_ += bytes; }

  [[nodiscard]] bool done() const { return done_ || (!chunked_ && size_ == length_); }
  [[nodiscard]] ByteSpan body() const { return {data_, static_cast<std::size_t>(size_)}; }
  [[nodiscard]] const BufferLease& owner() const { return owner_; }
  // Of the body so far, for its least rate.
  [[nodiscard]] std::uint64_t size_bytes() const { return size_; }
  void reset();

 private:
  enum class Place : std::uint8_t { kReceiveBuffer, kOwnBuffer, kNowhere };
  [[nodiscard]] HttpError take_chunked(std::string_view& received);
  [[nodiscard]] HttpError append(std::string_view payload);
  [[nodiscard]] HttpError grow(std::uint64_t size);
  [[nodiscard]] bool reserve(std::uint64_t bytes);

  BufferPool& pool_;
  ByteBudget& budget_;
  const std::uint64_t max_bytes_;
  Place place_ = Place::kNowhere;
  bool chunked_ = false;
  bool done_ = false;
  std::uint64_t length_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t reserved_ = 0;
  std::byte* data_ = nullptr;
  BufferLease owner_;
  ChunkedDecoder decoder_;
};

}  // namespace penstock::door
