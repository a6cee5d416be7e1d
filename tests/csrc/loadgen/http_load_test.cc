// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "loadgen/scripted_server.h"

namespace penstock::load {
namespace {

constexpr std::int64_t kMs = 1'000'000;
const std::string kReply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

std::uint64_t count(const Tally& tally, Outcome outcome) {
  return tally.outcomes[static_cast<std::size_t>(outcome)];
}

// The client may not use the connection again, so that its end is not seen by another request.
const std::string kClose = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
const std::string kLastReply = kClose + "Content-Length: 5\r\n\r\nhello";

// Answers every request with the same bytes.
void answer(int fd, const std::string& reply) {
  while (read_head(fd)) send_all(fd, reply);
}

TEST(HttpLoad, CountsEveryRequestOnce) {
  ScriptedServer server([](int, int fd) { answer(fd, kReply); });
  Options options = options_for(server, 1'000);
  options.connections = 3;
  options.expected = "hello";
  const Tally tally = run_load(options);
  EXPECT_EQ(tally.answered(), 1'000u);
  EXPECT_EQ(tally.failed(), 0u) << tally.first_error;
  EXPECT_EQ(tally.latency.count(), 1'000u);
  EXPECT_EQ(tally.bytes_received, 1'000 * kReply.size());
  EXPECT_EQ(server.accepted(), 3);
}

TEST(HttpLoad, PipelinesItsStreams) {
  // Answers four at a time only: fewer in flight would wait for ever.
  ScriptedServer server([](int, int fd) {
    while (read_head(fd) && read_head(fd) && read_head(fd) && read_head(fd)) {
      send_all(fd, kReply + kReply + kReply + kReply);
    }
  });
  Options options = options_for(server, 400);
  options.streams = 4;
  EXPECT_EQ(run_load(options).answered(), 400u);
}

TEST(HttpLoad, SendsALargeBodyWhole) {
  const std::string body(3'000'000, 'b');
  std::atomic<std::size_t> received = 0;
  ScriptedServer server([&](int, int fd) {
    while (read_head(fd)) {
      std::vector<char> bytes(body.size());
      if (::recv(fd, bytes.data(), bytes.size(), MSG_WAITALL) != ssize_t(body.size())) return;
      received += static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), 'b'));
      send_all(fd, kReply);
    }
  });
  Options options = options_for(server, 5);
  options.body = body;
  EXPECT_EQ(run_load(options).answered(), 5u);
  EXPECT_EQ(received, 5 * body.size());
}

TEST(HttpLoad, ConnectsAnewWhenTheServerClosesAfterEachReply) {
  ScriptedServer server([](int, int fd) {
    if (read_head(fd)) {
      send_all(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
  });
  const Tally tally = run_load(options_for(server, 20));
  EXPECT_EQ(tally.answered(), 20u) << tally.first_error;
  EXPECT_EQ(server.accepted(), 20);
}

struct BadReply {
  const char* name;
  std::string reply;
  Outcome outcome;
};

class HttpLoadBadReply : public testing::TestWithParam<BadReply> {};

// The server sends this and closes; every second connection is answered well.
TEST_P(HttpLoadBadReply, IsCountedByItsKindAndTheRunGoesOn) {
  ScriptedServer server([](int number, int fd) {
    if (!read_head(fd)) return;
    send_all(fd, number % 2 == 0 ? GetParam().reply : kLastReply);
  });
  Options options = options_for(server, 10);
  options.expected = "hello";
  const Tally tally = run_load(options);
  EXPECT_EQ(count(tally, GetParam().outcome), 5u) << tally.first_error;
  EXPECT_EQ(tally.answered(), 5u);
  EXPECT_EQ(tally.failed(), 5u);
}

INSTANTIATE_TEST_SUITE_P(
    Server, HttpLoadBadReply,
    testing::Values(
        BadReply{"Nothing", "", Outcome::kClosed},
        BadReply{"HalfAHead", "HTTP/1.1 200 OK\r\nConte", Outcome::kClosed},
        BadReply{"HalfABody", kClose + "Content-Length: 5\r\n\r\nhel", Outcome::kClosed},
        BadReply{"HalfAChunk", kClose + "Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
                 Outcome::kClosed},
        BadReply{"Garbage", "SSH-2.0-OpenSSH\r\n\r\n", Outcome::kMalformed},
        BadReply{"NoLength", kClose + "\r\nhello", Outcome::kMalformed},
        BadReply{"Refused", "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                 Outcome::kStatus},
        BadReply{"Other", kClose + "Content-Length: 5\r\n\r\nhallo", Outcome::kWrong}),
    [](const auto& info) { return info.param.name; });

TEST(HttpLoad, TakesAReplyThatNobodyAskedForAsMalformed) {
  ScriptedServer server([](int, int fd) { answer(fd, kReply + kReply); });
  const Tally tally = run_load(options_for(server, 3));
  EXPECT_EQ(count(tally, Outcome::kMalformed), 3u) << tally.first_error;
}

TEST(HttpLoad, GivesUpWhatIsNotAnsweredInTime) {
  ScriptedServer server([](int, int fd) { ignore(fd); });
  Options options = options_for(server, 4);
  options.connections = 2;
  options.timeout_ns = 100 * kMs;
  const Tally tally = run_load(options);
  EXPECT_EQ(count(tally, Outcome::kTimeout), 4u) << tally.first_error;
  EXPECT_EQ(tally.failed(), 4u);
}

TEST(HttpLoad, EndsWhenTheServerIsGone) {
  ScriptedServer* self = nullptr;
  ScriptedServer server([&self](int, int fd) {
    if (!read_head(fd)) return;
    self->stop_accepting();
    send_all(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  self = &server;
  const Tally tally = run_load(options_for(server, 4));
  EXPECT_EQ(tally.answered(), 1u);
  EXPECT_EQ(count(tally, Outcome::kConnect), 3u) << tally.first_error;
}

TEST(HttpLoad, SaysThatThereIsNoServer) {
  Options options;
  options.unix_path = "/tmp/penstock-load-no-such.sock";
  options.path = "/";
  EXPECT_THROW(run_load(options), std::runtime_error);
}

// The server stalls once for 300 ms: in a closed loop one request notices, in an open loop every
// request that was due meanwhile does.
TEST(HttpLoad, OpenLoopBlamesAStallOnEveryRequestThatWasDue) {
  constexpr auto kStall = std::chrono::milliseconds(300);
  ScriptedServer server([&](int, int fd) {
    for (int requests = 1; read_head(fd); ++requests) {
      if (requests == 100) std::this_thread::sleep_for(kStall);  // the server's work
      send_all(fd, kReply);
    }
  });
  Options options = options_for(server, 1'000);
  const Tally closed = run_load(options);
  EXPECT_LT(closed.latency.quantile(0.95), 250 * kMs);
  options.rate_per_s = 1'000;
  const Tally open = run_load(options);
  EXPECT_EQ(open.answered(), 1'000u) << open.first_error;
  EXPECT_GE(open.latency.max(), 300 * kMs);
  // 300 were due in the stall, 0 to 300 ms before its end.
  EXPECT_GE(open.latency.quantile(0.85), 100 * kMs);
}

TEST(HttpLoad, LeavesTheWarmUpOut) {
  ScriptedServer server([](int, int fd) { answer(fd, kReply); });
  Options options = options_for(server, 0);
  options.rate_per_s = 1'000;
  options.warmup_ns = 200 * kMs;
  options.duration_ns = 100 * kMs;
  const Tally tally = run_load(options);
  EXPECT_EQ(tally.answered() + tally.failed(), 100u);
}

TEST(HttpLoad, CountsWhatAnOpenLoopCouldNotSend) {
  ScriptedServer server([](int, int fd) { ignore(fd); });
  Options options = options_for(server, 0);
  options.rate_per_s = 1'000;
  options.duration_ns = 100 * kMs;
  options.timeout_ns = 200 * kMs;
  const Tally tally = run_load(options);
  EXPECT_EQ(count(tally, Outcome::kTimeout), 1u);
  EXPECT_EQ(count(tally, Outcome::kUnsent), 99u);
}

}  // namespace
}  // namespace penstock::load
