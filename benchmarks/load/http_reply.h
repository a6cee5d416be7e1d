// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HttpReplyReader: finds the end of each HTTP/1.1 reply in what a connection delivers, sans I/O.
//
// It reads the status, the framing (Content-Length or chunks; RFC 9112 6) and whether the
// connection stays, and nothing else; bodies are compared and dropped. Interim replies (1xx) are
// passed over. A reply that ends with its connection is taken as malformed: it would cost a
// connection a request, which is not a load that this program is for.
//
// Thread safety: none. Ownership: borrows the expected body. Nothing blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "load/reply_check.h"

namespace penstock::load {

class HttpReplyReader {
 public:
  enum class Result { kMore, kReply, kMalformed };

  explicit HttpReplyReader(const std::optional<std::string>& expected) : check_(expected) {}

  // For a new connection.
  void reset();
  // Takes bytes off the front: all of them, or up to the end of a reply.
  Result read(std::string_view& bytes);

  // ---- of the reply that was read last ----
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool matches() const { return check_.matches(); }
  [[nodiscard]] bool closes() const { return closes_; }
  // What is malformed.
  [[nodiscard]] const char* problem() const { return problem_; }

 private:
  enum class State { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailer };

  Result read_head(std::string_view& bytes);
  Result read_body(std::string_view& bytes);
  Result read_chunk_line(std::string_view& bytes);
  bool parse_head(std::string_view head);
  bool parse_status(std::string_view line);
  bool parse_header(std::string_view line);
  Result finish();
  Result malformed(const char* problem);
  // A line without its end; none: its end has not come, and what there is of it is kept.
  std::optional<std::string_view> take_line(std::string_view& bytes);

  static constexpr std::size_t kLongestHead = 64 * 1024;
  static constexpr std::size_t kLongestLine = 4096;  // of a chunk's size, or a trailer

  ReplyCheck check_;
  State state_ = State::kHead;
  std::string kept_;  // the beginning of a head or line whose end has not come
  bool drop_kept_ = false;
  std::uint64_t left_ = 0;  // of the body or the chunk
  bool has_length_ = false;
  bool chunked_ = false;
  bool closes_ = false;
  int status_ = 0;
  const char* problem_ = "";
};

}  // namespace penstock::load
