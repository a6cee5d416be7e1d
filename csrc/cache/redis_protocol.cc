// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/redis_protocol.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace penstock {
namespace {

constexpr std::string_view kEnd = "\r\n";
constexpr std::size_t kLeastSpace = 16 << 10;
constexpr std::size_t kKeptBytes = 1 << 20;

void append_number(std::string& out, char kind, std::size_t number) {
  out.push_back(kind);
  out.append(std::to_string(number)).append(kEnd);
}

bool parse(std::string_view text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

void append_redis_command(std::string& out, std::initializer_list<std::string_view> words) {
  append_number(out, '*', words.size());
  for (const std::string_view word : words) {
    append_number(out, '$', word.size());
    out.append(word).append(kEnd);
  }
}

std::span<char> RedisReader::space() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const std::size_t needed = std::max(wanted_, end_ + kLeastSpace);
  if (buffer_.size() < needed) buffer_.resize(needed);
  if (end_ == 0 && buffer_.size() > kKeptBytes && needed <= kKeptBytes) {
    buffer_.resize(needed);
    buffer_.shrink_to_fit();
  }
  return std::span(buffer_).subspan(end_);
}

RedisReader::Next RedisReader::next(RedisReply& reply) {
  const std::string_view all(buffer_.data() + begin_, end_ - begin_);
  const std::size_t line_end = all.find(kEnd);
  if (line_end == std::string_view::npos) {
    return all.size() > kMaxLineBytes ? Next::kBroken : Next::kMore;
  }
  const std::size_t header_bytes = line_end + kEnd.size();
  if (line_end == 0) return Next::kBroken;
  const std::string_view line = all.substr(1, line_end - 1);
  std::int64_t number = 0;
  switch (all.front()) {
    case '+':
      reply = {RedisReply::Kind::kText, line};
      break;
    case '-':
      reply = {RedisReply::Kind::kError, line};
      break;
    case ':':
      if (!parse(line, number)) return Next::kBroken;
      reply = {RedisReply::Kind::kNumber, line};
      break;
    case '$':
      return take_bulk(header_bytes, line, reply);
    default:
      return Next::kBroken;
  }
  begin_ += header_bytes;
  return Next::kReply;
}

RedisReader::Next RedisReader::take_bulk(std::size_t header_bytes, std::string_view length,
                                         RedisReply& reply) {
  std::int64_t size = 0;
  if (!parse(length, size) || size < -1) return Next::kBroken;
  if (size == -1) {
    reply = {RedisReply::Kind::kNil, {}};
    begin_ += header_bytes;
    return Next::kReply;
  }
  const auto bytes = static_cast<std::size_t>(size);
  if (bytes > max_bulk_bytes_) return Next::kBroken;
  const std::size_t total = header_bytes + bytes + kEnd.size();
  if (end_ - begin_ < total) {
    wanted_ = total;
    return Next::kMore;
  }
  wanted_ = 0;
  const std::string_view data(buffer_.data() + begin_ + header_bytes, bytes + kEnd.size());
  if (!data.ends_with(kEnd)) return Next::kBroken;
  reply = {RedisReply::Kind::kBulk, data.substr(0, bytes)};
  begin_ += total;
  return Next::kReply;
}

void RedisReader::clear() {
  begin_ = end_ = wanted_ = 0;
  buffer_ = {};
}

}  // namespace penstock
