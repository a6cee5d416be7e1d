// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What a cache needs of Redis' protocol (RESP 2), without I/O: commands, and replies that are a
// line, an error, a number or a bulk of bytes. Arrays are no answer to what is asked here.
//
// Thread safety: none. Ownership: a reader owns its buffer; replies borrow from it. Nothing blocks.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

void append_redis_command(std::string& out, std::initializer_list<std::string_view> words);

struct RedisReply {
  enum class Kind : std::uint8_t { kText, kError, kNumber, kBulk, kNil };
  Kind kind = Kind::kNil;
  std::string_view bytes;  // until the reader is asked for space again
};

class RedisReader {
 public:
  // Longer lines are no answer to what is asked.
  static constexpr std::size_t kMaxLineBytes = 64 << 10;

  explicit RedisReader(std::size_t max_bulk_bytes) : max_bulk_bytes_(max_bulk_bytes) {}
  // Where the next bytes go.
  [[nodiscard]] std::span<char> space();
  void received(std::size_t bytes) { end_ += bytes; }

  enum class Next : std::uint8_t { kReply, kMore, kBroken };
  // kMore: the reply is not complete yet. kBroken: it is not of this protocol.
  [[nodiscard]] Next next(RedisReply& reply);
  void clear();

 private:
  [[nodiscard]] Next take_bulk(std::size_t header_bytes, std::string_view length,
                               RedisReply& reply);

  const std::size_t max_bulk_bytes_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t wanted_ = 0;  // bytes that the reply needs in all, as far as that is known
};

}  // namespace penstock
