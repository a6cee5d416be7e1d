// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/redis_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace penstock {
namespace {

using Kind = RedisReply::Kind;
using Next = RedisReader::Next;

struct Got {
  Kind kind;
  std::string bytes;
  bool operator==(const Got&) const = default;
};

constexpr std::size_t kMaxBulk = 1 << 20;

// Everything that the bytes say when they come in pieces of `piece`; the last call's outcome.
Next read(const std::string& bytes, std::size_t piece, std::vector<Got>& got) {
  RedisReader reader(kMaxBulk);
  RedisReply reply;
  Next next = Next::kMore;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::span<char> space = reader.space();
    const std::size_t size = std::min({piece, bytes.size() - at, space.size()});
    std::memcpy(space.data(), bytes.data() + at, size);
    reader.received(size);
    at += size;
    while ((next = reader.next(reply)) == Next::kReply) {
      got.push_back({reply.kind, std::string(reply.bytes)});
    }
    if (next == Next::kBroken) return next;
  }
  return next;
}

TEST(RedisProtocol, Commands) {
  std::string out = "x";
  append_redis_command(out, {"SET", "k", std::string_view("a\0\r\n", 4)});
  const std::string_view expected("x*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n", 31);
  EXPECT_EQ(out, expected);
}

TEST(RedisProtocol, RepliesInPiecesOfAnySize) {
  const std::string large(300'000, 'z');
  const std::string whole =
      "+OK\r\n-ERR no\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n$0\r\n\r\n$300000\r\n" + large +
      "\r\n+end\r\n";
  const std::vector<Got> expected{
      {Kind::kText, "OK"}, {Kind::kError, "ERR no"}, {Kind::kNumber, "-7"}, {Kind::kBulk, "a\r\nb"},
      {Kind::kNil, ""},    {Kind::kBulk, ""},        {Kind::kBulk, large},  {Kind::kText, "end"}};
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{4096}, whole.size()}) {
    std::vector<Got> got;
    EXPECT_EQ(read(whole, piece, got), Next::kMore);
    EXPECT_EQ(got, expected) << piece;
  }
}

TEST(RedisProtocol, WhatIsNotOfIt) {
  for (const std::string bad :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "*1\r\n$1\r\na\r\n", "$x\r\n", "$-2\r\n", "$1 \r\n",
        "$3\r\nabcde\r\n", ":x\r\n", "$99999999999999999999\r\n", "$1048577\r\n", "$\r\n"}) {
    std::vector<Got> got;
    EXPECT_EQ(read(bad, bad.size(), got), Next::kBroken) << bad;
  }
  std::vector<Got> got;
  EXPECT_EQ(read("+" + std::string(RedisReader::kMaxLineBytes + 1, 'a'), 4096, got), Next::kBroken);
}

}  // namespace
}  // namespace penstock
