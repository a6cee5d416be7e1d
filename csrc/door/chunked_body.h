// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ChunkedDecoder: the chunked transfer coding of RFC 9112 7.1, sans I/O, under bounds (H-27).
//
// Thread safety: none needed. Ownership: payloads are views of what was fed. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "door/http1_parser.h"

namespace penstock::door {

class ChunkedDecoder {
 public:
  static constexpr std::uint64_t kMaxChunks = 65536;        // H-27, non-empty ones
  static constexpr std::size_t kMaxLineBytes = 1024;        // a chunk size with its extensions
  static constexpr std::size_t kMaxTrailerBytes = 8 << 10;  // read, checked and dropped

  enum class Step : std::uint8_t {
    kMore,     // everything fed is used up
    kPayload,  // `payload` is set
    kDone,     // the body is complete; what is left of the input belongs to the next message
    kError,    // error() says why
  };
  explicit ChunkedDecoder(std::uint64_t max_chunks = kMaxChunks) : max_chunks_(max_chunks) {}
  // Takes bytes off the front of `input`.
  Step step(std::string_view& input, std::string_view& payload);
  [[nodiscard]] const HttpError& error() const { return error_; }

 private:
  enum class State : std::uint8_t {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kEndLf,
    kDone,
  };
  void take(char c);
  void take_size(char c);
  void end_size_line();
  void take_trailer(char c);
  void expect(char c, char wanted, State next);
  void fail(std::string_view text, int status = 400);

  State state_ = State::kSize;
  bool any_digit_ = false;
  std::uint64_t left_ = 0;  // of the chunk
  std::uint64_t max_chunks_;
  std::uint64_t chunks_ = 0;
  std::size_t line_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  HttpError error_;
};

}  // namespace penstock::door
