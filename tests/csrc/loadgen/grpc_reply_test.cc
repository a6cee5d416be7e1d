// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/grpc_reply.h"

#include <gtest/gtest.h>

#include "load/grpc_output.h"

namespace penstock::load {
namespace {

using namespace std::string_literals;

const std::string kMessage = "\0\0\0\0\5hello"s;

GrpcReplyReader read(const std::string& data, std::size_t part,
                     const std::optional<std::string>& expected, unsigned wanted = 1) {
  GrpcReplyReader reader(expected, wanted);
  reader.begin();
  for (std::size_t at = 0; at < data.size(); at += part) {
    const std::string copy = data.substr(at, part);
    reader.add(copy);
  }
  return reader;
}

TEST(GrpcReply, IsReadHoweverItIsCut) {
  const std::optional<std::string> hello = "hello";
  for (std::size_t part = 1; part <= kMessage.size(); ++part) {
    const GrpcReplyReader reader = read(kMessage, part, hello);
    EXPECT_EQ(reader.problem(), nullptr);
    EXPECT_TRUE(reader.matches());
  }
  EXPECT_EQ(read("\0\0\0\0\0"s, 2, ""s).problem(), nullptr);
}

TEST(GrpcReply, ThatIsAnotherDoesNotMatch) {
  const std::optional<std::string> others[] = {"hellO", "hell", "hello!", ""};
  for (const auto& other : others) EXPECT_FALSE(read(kMessage, 4, other).matches());
}

TEST(GrpcReply, ThatIsNotOneWholeMessageIsAProblem) {
  EXPECT_STREQ(read("", 1, {}).problem(), "too few messages");
  for (std::size_t size = 1; size < kMessage.size(); ++size) {
    EXPECT_STREQ(read(kMessage.substr(0, size), 3, {}).problem(), "half a message");
  }
  for (const std::size_t part : {1u, 5u, 100u}) {
    EXPECT_STREQ(read(kMessage + "x", part, {}).problem(), "too many messages");
    EXPECT_STREQ(read(kMessage + kMessage, part, {}).problem(), "too many messages");
    EXPECT_STREQ(read("\1\0\0\0\0"s, part, {}).problem(), "a compressed message");
  }
}

TEST(GrpcReply, OfSeveralMessages) {
  const std::optional<std::string> hello = "hello";
  const std::string three = kMessage + kMessage + kMessage;
  for (std::size_t part = 1; part <= three.size(); ++part) {
    const GrpcReplyReader reader = read(three, part, hello, 3);
    EXPECT_EQ(reader.problem(), nullptr);
    EXPECT_TRUE(reader.matches());
    EXPECT_FALSE(read(kMessage + "\0\0\0\0\5hellO"s + kMessage, part, hello, 3).matches());
    EXPECT_STREQ(read(three, part, hello, 4).problem(), "too few messages");
    EXPECT_STREQ(read(three, part, hello, 2).problem(), "too many messages");
  }
  EXPECT_STREQ(read(three.substr(0, 25), 4, hello, 3).problem(), "half a message");
}

TEST(GrpcReply, BeginsAnewForTheNextCall) {
  const std::optional<std::string> hello = "hello";
  GrpcReplyReader reader = read("\1\0\0"s, 1, hello);
  reader.begin();
  reader.add(kMessage);
  EXPECT_EQ(reader.problem(), nullptr);
  EXPECT_TRUE(reader.matches());
}

std::string drain(GrpcOutput& output, std::size_t step) {
  std::string out;
  iovec spans[3];
  while (const std::size_t count = output.gather(spans, 3)) {
    std::string round;
    for (std::size_t i = 0; i < count; ++i) {
      round.append(static_cast<const char*>(spans[i].iov_base), spans[i].iov_len);
    }
    round.resize(std::min(round.size(), step));
    output.sent(round.size());
    out += round;
  }
  return out;
}

TEST(GrpcOutput, KeepsTheOrderHoweverLittleIsSentAtOnce) {
  const std::string large(10, 'L');
  for (std::size_t step = 1; step < 40; ++step) {
    GrpcOutput output;
    for (int round = 0; round < 2; ++round) {
      output.append("ab");
      output.append("cd");
      output.append_reference(large);
      output.append_reference("");
      output.append("e");
      output.append_reference(large);
      EXPECT_EQ(drain(output, step), "abcd" + large + "e" + large);
      EXPECT_TRUE(output.empty());
      EXPECT_EQ(output.copied_bytes(), 0u);
    }
  }
}

TEST(GrpcOutput, CanBeAddedToWhenHalfIsSent) {
  GrpcOutput output;
  output.append("abcd");
  iovec span;
  ASSERT_EQ(output.gather(&span, 1), 1u);
  output.sent(3);
  output.append(std::string(1'000, 'x'));  // what is copied may move
  EXPECT_EQ(drain(output, 7), "d" + std::string(1'000, 'x'));
}

}  // namespace
}  // namespace penstock::load
