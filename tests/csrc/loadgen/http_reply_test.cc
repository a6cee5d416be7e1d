// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/http_reply.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace penstock::load {
namespace {

using Result = HttpReplyReader::Result;
using namespace std::string_literals;

const std::optional<std::string> kAnything;

// What comes of the text when it arrives in parts of this size.
struct Reading {
  int replies = 0;
  bool malformed = false;
  int status = 0;
  bool matches = false;
  bool closes = false;
};

Reading read(const std::string& text, std::size_t part,
             const std::optional<std::string>& expected = kAnything) {
  HttpReplyReader reader(expected);
  Reading reading;
  for (std::size_t at = 0; at < text.size() && !reading.malformed; at += part) {
    std::string copy = text.substr(at, part);  // of its own, so that a sanitizer sees its end
    for (std::string_view bytes = copy; !bytes.empty() && !reading.malformed;) {
      const Result result = reader.read(bytes);
      reading.malformed = result == Result::kMalformed;
      if (result != Result::kReply) continue;
      ++reading.replies;
      reading.status = reader.status();
      reading.matches = reader.matches();
      reading.closes = reader.closes();
    }
  }
  return reading;
}

const std::vector<std::size_t> kParts = {1, 2, 3, 7, 64, 100'000};

const std::string kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunks =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2\r\nhe\r\nA;ext=1\r\nllo, world\r\n0\r\nTrailer: x\r\n\r\n";

TEST(HttpReply, IsFoundHoweverItIsCut) {
  for (const std::size_t part : kParts) {
    for (const auto& [text, body] : {std::pair{kHello, "hello"s}, {kChunks, "hello, world"s}}) {
      const Reading reading = read(text + text, part, body);
      EXPECT_EQ(reading.replies, 2) << part;
      EXPECT_EQ(reading.status, 200);
      EXPECT_TRUE(reading.matches);
      EXPECT_FALSE(reading.closes);
      EXPECT_FALSE(reading.malformed);
    }
  }
}

TEST(HttpReply, ThatIsAnotherDoesNotMatch) {
  for (const std::string other : {"hellO", "hell", "hello!", "", "xhello"}) {
    for (const std::size_t part : kParts) {
      EXPECT_FALSE(read(kHello, part, other).matches) << other;
      EXPECT_EQ(read(kHello, part, other).replies, 1);
    }
  }
}

TEST(HttpReply, WithoutABodyEndsWithItsHead) {
  for (const std::size_t part : kParts) {
    EXPECT_EQ(read("HTTP/1.1 204 No Content\r\n\r\n", part).status, 204);
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", part).replies, 1);
    EXPECT_EQ(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", part).replies, 1);
  }
}

TEST(HttpReply, MayHaveInterimOnesBeforeIt) {
  for (const std::size_t part : kParts) {
    const Reading reading = read("HTTP/1.1 100 Continue\r\n\r\n" + kHello, part);
    EXPECT_EQ(reading.replies, 1);
    EXPECT_EQ(reading.status, 200);
  }
}

TEST(HttpReply, SaysWhetherTheConnectionStays) {
  EXPECT_TRUE(
      read("HTTP/1.1 503 Busy\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", 1).closes);
  EXPECT_TRUE(read("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 1).closes);
  EXPECT_FALSE(
      read("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 1).closes);
}

TEST(HttpReply, IsNotDoneWhileAnythingOfItIsMissing) {
  for (const std::string& text : {kHello, kChunks}) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      const Reading reading = read(text.substr(0, size), 5);
      EXPECT_EQ(reading.replies, 0) << size;
      EXPECT_FALSE(reading.malformed) << size;
    }
  }
}

TEST(HttpReply, ThatBreaksTheProtocolIsMalformed) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::string> texts = {
      "garbage\r\n\r\n",
      "\r\n\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "HTTP/1.1 20\r\n\r\n",
      "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
      ok + "\r\n",  // no length: it would end with the connection
      ok + "Content-Length: five\r\n\r\n",
      ok + "Content-Length: -1\r\n\r\n",
      ok + "Content-Length: 5 5\r\n\r\n",
      ok + "Content-Length:\r\n\r\n",
      ok + "Content-Length: 99999999999999999999999\r\n\r\n",
      ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
      ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      ok + "Transfer-Encoding: gzip\r\n\r\n",
      ok + "no colon\r\nContent-Length: 0\r\n\r\n",
      ok + ": no name\r\nContent-Length: 0\r\n\r\n",
      chunked + "five\r\n",
      chunked + "\r\n",
      chunked + "-5\r\n",
      chunked + "5\r\nhello!\r\n",
      chunked + "11111111111111111\r\n",
      ok + "X: " + std::string(70'000, 'x'),  // a head without an end
      chunked + std::string(70'000, '0'),     // a line without an end
  };
  for (const std::string& text : texts) {
    for (const std::size_t part : kParts) {
      if (part > 64 || text.size() < 1'000) {
        EXPECT_TRUE(read(text, part).malformed) << text.substr(0, 80) << " in parts of " << part;
      }
    }
  }
}

}  // namespace
}  // namespace penstock::load
