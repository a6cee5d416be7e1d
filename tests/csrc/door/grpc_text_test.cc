// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The pure parts of the gRPC door: statuses, header fields, framing, small messages, allowances.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "door/grpc_framing.h"
#include "door/grpc_head.h"
#include "door/grpc_messages.h"
#include "door/grpc_status.h"
#include "door/h2_guard.h"
#include "door/h2_output.h"

namespace penstock::door {
namespace {

using namespace std::literals;

ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(GrpcStatusTest, EveryCoreCodeHasItsStatus) {  // contract 1.0
  constexpr GrpcStatus kExpected[] = {
      GrpcStatus::kUnknown,         GrpcStatus::kInternal,    GrpcStatus::kNotFound,
      GrpcStatus::kInvalidArgument, GrpcStatus::kUnavailable, GrpcStatus::kUnimplemented,
      GrpcStatus::kAlreadyExists,   GrpcStatus::kCancelled,   GrpcStatus::kDeadlineExceeded};
  static_assert(std::size(kExpected) == kCodeCount);
  for (int code = 0; code < kCodeCount; ++code) {
    EXPECT_EQ(grpc_status(static_cast<Code>(code)), kExpected[code]) << code;
  }
}

TEST(GrpcStatusTest, NumbersAreWrittenAsTheyAre) {
  for (int status : {0, 1, 2, 3, 4, 5, 6, 8, 12, 13, 14}) {
    EXPECT_EQ(grpc_status_text(static_cast<GrpcStatus>(status)), std::to_string(status));
  }
}

TEST(GrpcStatusTest, MessagesArePercentEncoded) {
  std::string out;
  append_grpc_message(out, "50% of \"a\" ~\n\t\x7f\xc3\xa9");
  EXPECT_EQ(out, "50%25 of \"a\" ~%0A%09%7F%C3%A9");
  out.clear();
  append_grpc_message(out, std::string(1 << 20, '%'));
  EXPECT_LT(out.size(), 8192u);
}

TEST(GrpcHeadTest, TimeoutsInAllUnits) {
  EXPECT_EQ(parse_grpc_timeout("1n"), 1);
  EXPECT_EQ(parse_grpc_timeout("2u"), 2'000);
  EXPECT_EQ(parse_grpc_timeout("3m"), 3'000'000);
  EXPECT_EQ(parse_grpc_timeout("4S"), 4'000'000'000);
  EXPECT_EQ(parse_grpc_timeout("5M"), 300'000'000'000);
  EXPECT_EQ(parse_grpc_timeout("1H"), 3'600'000'000'000);
  EXPECT_EQ(parse_grpc_timeout("99999999S"), 99'999'999'000'000'000);
  // What a longer text says is never less, and can be added to a time.
  EXPECT_EQ(parse_grpc_timeout("1281023H"), INT64_MAX / 2 / 3'600'000'000'000 * 3'600'000'000'000);
  for (const char* text : {"1281024H", "1999999H", "2000001H", "99999999H", "99999999M"}) {
    EXPECT_EQ(parse_grpc_timeout(text), INT64_MAX / 2) << text;
  }
}

TEST(GrpcHeadTest, BadTimeouts) {
  for (const char* text : {"", "S", "1", "-1S", "+1S", "1X", "1 S", "123456789S", "0x1S", "1s"}) {
    EXPECT_EQ(parse_grpc_timeout(text), std::nullopt) << text;
  }
}

TEST(GrpcHeadTest, PathsAreMatchedWhole) {
  EXPECT_EQ(find_rpc("/inference.GRPCInferenceService/ModelInfer"), Rpc::kModelInfer);
  EXPECT_EQ(find_rpc("/inference.GRPCInferenceService/ModelInfer2"), Rpc::kPassOn);
  EXPECT_EQ(find_rpc("/inference.GRPCInferenceService/modelinfer"), Rpc::kPassOn);
  EXPECT_EQ(find_rpc("//inference.GRPCInferenceService/ModelInfer"), Rpc::kPassOn);
  EXPECT_EQ(find_rpc("/grpc.health.v1.Health/Check"), Rpc::kHealthCheck);
  EXPECT_EQ(find_rpc("/grpc.health.v1.Health/Watch"), Rpc::kPassOn);
}

TEST(GrpcHeadTest, FieldsByWholeNames) {
  GrpcHead head;
  head.add(":method", "POST");
  head.add(":path", "/inference.GRPCInferenceService/ModelInfer");
  head.add("content-type", "application/grpc+proto");
  head.add("grpc-encoding", "gzip");
  head.add("grpc-accept-encoding", "identity, deflate ,gzip");
  head.add("x-grpc-timeout", "1S");
  head.add("triton_grpc_error", "true");
  EXPECT_EQ(head.rpc, Rpc::kModelInfer);
  EXPECT_TRUE(head.post && head.grpc && head.close_on_error);
  EXPECT_EQ(head.encoding, Encoding::kGzip);
  EXPECT_TRUE(head.accepts_gzip && head.accepts_deflate);
  EXPECT_FALSE(head.timeout_ns.has_value());
  for (const char* type : {"application/grpc-web", "application/json", "", "application/grp"}) {
    GrpcHead other;
    other.add("content-type", type);
    EXPECT_FALSE(other.grpc) << type;
  }
  head.add("grpc-encoding", "br");
  EXPECT_EQ(head.encoding, std::nullopt);
}

TEST(GrpcHeadTest, ACallThatIsPassedOnKeepsItsFields) {
  GrpcHead head;
  head.add(":method", "POST");
  head.add(":path", "/inference.GRPCInferenceService/ModelConfig");
  head.add("te", "trailers");
  head.add("empty", "");
  std::vector<H2Field> fields;
  head.fields.list(fields);
  ASSERT_EQ(fields.size(), 4u);
  EXPECT_EQ(fields[1].value, "/inference.GRPCInferenceService/ModelConfig");
  EXPECT_EQ(fields[2].name, "te");
  EXPECT_EQ(fields[3].name, "empty");
  EXPECT_EQ(fields[3].value, "");
}

class FramingTest : public ::testing::Test {
 protected:
  BufferPool pool_{make_page_allocator(), BufferPoolOptions{}};
  ByteBudget budget_{5000};
  MessageReader reader_;
  GrpcMessage message_;

  MessageReader::Event read(ByteSpan& bytes) {
    return reader_.read(bytes, message_, pool_, budget_, 500);
  }
  MessageReader::Event read(std::string_view text) {
    ByteSpan bytes = bytes_of(text);
    return read(bytes);
  }
};

TEST_F(FramingTest, MessagesCutAnywhere) {
  const std::string_view stream = "\0\0\0\0\5hello\1\0\0\0\0\0\0\0\0\3abc"sv;
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    std::vector<std::string> found;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      ByteSpan bytes = bytes_of(stream.substr(at, step));
      while (!bytes.empty()) {
        if (read(bytes) != MessageReader::Event::kMessage) continue;
        found.emplace_back(reinterpret_cast<const char*>(message_.bytes.data()),
                           message_.bytes.size());
        found.back() += message_.compressed ? "+" : "-";
      }
    }
    EXPECT_EQ(found, (std::vector<std::string>{"hello-", "+", "abc-"})) << step;
    EXPECT_FALSE(reader_.inside());
  }
}

TEST_F(FramingTest, UnknownFlags) {
  EXPECT_EQ(read("\2\0\0\0\1x"sv), MessageReader::Event::kBadFlags);
}

TEST_F(FramingTest, TooLargeIsSeenBeforeTheMessage) {
  EXPECT_EQ(read("\0\0\0\1\xf5"sv), MessageReader::Event::kTooLarge);  // 501
  reader_.reset();
  EXPECT_EQ(read("\0\xff\xff\xff\xff"sv), MessageReader::Event::kTooLarge);
  EXPECT_EQ(budget_.taken(), 0u);
}

TEST_F(FramingTest, TheBudgetIsTakenBeforeTheMessageAndGivenBackWithIt) {
  ASSERT_TRUE(budget_.try_take(3600));
  EXPECT_EQ(read("\0\0\0\1\xf4"sv), MessageReader::Event::kNoBudget);  // 500
  reader_.reset();
  EXPECT_EQ(read("\0\0\0\0\2"sv), MessageReader::Event::kMore);
  EXPECT_EQ(budget_.taken(), 3602u + kMessageOverheadBytes);
  EXPECT_EQ(read("ab"), MessageReader::Event::kMessage);
  EXPECT_EQ(budget_.taken(), 3602u + kMessageOverheadBytes);
  message_ = {};
  EXPECT_EQ(budget_.taken(), 3600u);
}

TEST(FramingPrefixTest, BigEndian) {
  const auto prefix = grpc_prefix(true, 0x01020304);
  const std::array<std::byte, 5> expected{std::byte{1}, std::byte{1}, std::byte{2}, std::byte{3},
                                          std::byte{4}};
  EXPECT_EQ(prefix, expected);
}

TEST(GrpcMessagesTest, AStreamsErrorIsUtf8) {  // G-25
  std::string out;
  StreamError error;
  error.message = "bad \xff \xed\xa0\x80 \xc3\xa9";
  error.id = "id";
  append_stream_error(out, error);
  const std::string text = "bad \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa9";
  ASSERT_GT(out.size(), text.size() + 2);
  EXPECT_EQ(out[0], 0x0a);
  EXPECT_EQ(static_cast<std::size_t>(out[1]), text.size());
  EXPECT_EQ(out.substr(2, text.size()), text);
  std::string rest = out.substr(2 + text.size());
  EXPECT_EQ(rest.substr(0, 6), "\x12\x21\x1a\x02id"sv);
  EXPECT_EQ(rest.substr(6), final_response_parameter(true));
}

TEST(H2OutputTest, PartialWritesKeepTheOrderAndTheLeases) {
  BufferPool pool(make_page_allocator(), BufferPoolOptions{});
  BufferLease lease = pool.acquire(5000);
  std::memset(lease->data, 'b', 5000);
  H2Output output;
  output.copy("aaa", 3);
  output.borrow({lease->data, 5000}, lease);
  output.copy("cc", 2);
  output.borrow(bytes_of("d"), {});
  EXPECT_EQ(output.pending(), 5006u);
  EXPECT_EQ(lease->refs.count(), 2u);
  std::string sent;
  while (!output.empty()) {
    std::array<iovec, 2> pieces;
    const int count = output.gather(pieces);
    std::string chunk;
    for (int i = 0; i < count; ++i) {
      chunk.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    }
    const std::size_t taken = std::min<std::size_t>(chunk.size(), 7);
    sent += chunk.substr(0, taken);
    output.advance(taken);
  }
  EXPECT_EQ(sent, "aaa" + std::string(5000, 'b') + "ccd");
  EXPECT_EQ(lease->refs.count(), 1u);
}

TEST(H2GuardTest, ResetsAreAllowedInBurstsAndAtARate) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  H2Guard guard{PingRules{}};
  int allowed = 0;
  while (guard.reset(kSecond)) ++allowed;
  EXPECT_GE(allowed, 400);
  EXPECT_LT(allowed, 1000);
  allowed = 0;
  while (guard.reset(3 * kSecond)) ++allowed;
  EXPECT_NEAR(allowed, 200, 5);
}

TEST(H2GuardTest, WhatTheServerSendsPaysForItsAcknowledgements) {
  H2Guard guard{PingRules{}};
  for (int i = 0; i < 100'000; ++i) {
    guard.sent();
    for (int k = 0; k < 3; ++k) ASSERT_TRUE(guard.frame(1)) << i;
  }
  int allowed = 0;
  while (guard.frame(1)) ++allowed;
  EXPECT_LT(allowed, 1000);
}

TEST(H2GuardTest, PingStrikes) {  // O-42, O-44, O-45
  H2Guard guard{PingRules{1000, 2, false}};
  EXPECT_TRUE(guard.ping(1, true));
  EXPECT_TRUE(guard.ping(1001, true));  // far enough apart
  EXPECT_TRUE(guard.ping(1002, true));
  EXPECT_TRUE(guard.ping(1003, true));
  EXPECT_FALSE(guard.ping(1004, true));
  guard.sent();
  EXPECT_TRUE(guard.ping(1005, true));
  H2Guard idle{PingRules{1000, 1, false}};
  EXPECT_TRUE(idle.ping(1, false));
  EXPECT_TRUE(idle.ping(1001, false));
  EXPECT_FALSE(idle.ping(2001, false)) << "without calls two hours must pass";
  H2Guard any{PingRules{1000, 0, false}};
  for (int i = 1; i < 100; ++i) EXPECT_TRUE(any.ping(i, false));
}

}  // namespace
}  // namespace penstock::door
