// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Bytes that no client should send, made from good ones (A6, B7). What counts is that nothing is
// touched that should not be (under the sanitizers), and that nothing is left behind.
#include <random>

#include "grpc_fixture.h"

namespace penstock::door::testing {
namespace {

using Bytes = std::string;

class GrpcAbuse : public GrpcFixture {
 protected:
  // What a good client sends: some calls of each kind.
  Bytes good_bytes() {
    TestClient good;
    good.unary("ModelInfer", infer_request("m", "a"));
    good.unary("ServerReady", "");
    good.unary("Other", "x");
    ClientCall& stream = good.start("ModelStreamInfer", {{"grpc-timeout", "5S"}});
    good.send(stream, framed(infer_request("m")) + framed(infer_request("n")), true);
    good.unary("ModelInfer", std::string(3000, 'x'), {{"grpc-encoding", "gzip"}});
    H2Output output;
    good.session.send(output);
    return flatten(output);
  }
  // Feeds the bytes to a connection of their own, in pieces; then the client is gone.
  void survive(const Bytes& bytes, std::mt19937& random) {
    connect();
    std::size_t at = 0;
    bool open = true;
    while (open && at < bytes.size()) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 700, bytes.size() - at);
      open = connection->receive(bytes_of(std::string_view(bytes).substr(at, size)));
      at += size;
      turn();
    }
    turn();
    connection->abandon();
    while (engine.in_flight() > 0) {
      deliver();
      std::this_thread::yield();
    }
    connection.reset();
    ASSERT_EQ(budget.taken(), 0u);
    ASSERT_EQ(counters.requests_begun.get(), counters.requests_ended.get());
  }
  void turn() {
    while (connection->work()) {
    }
    context.burst.flush();
    deliver();
    H2Output output;
    connection->send(output);
    (void)flatten(output);
  }
};

TEST_F(GrpcAbuse, BytesThatAreChangedCutOrDoubled) {
  const Bytes good = good_bytes();
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    Bytes bytes = good;
    for (std::uint32_t change = 0; change < 1 + seed % 5; ++change) {
      const std::size_t at = 24 + random() % (bytes.size() - 24);  // the preface stays
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 40);
          break;
        case 2:
          bytes.insert(at, bytes.substr(at, random() % 200));
          break;
        default:
          bytes.resize(at + 1);
      }
      if (bytes.size() < 40) break;
    }
    ASSERT_NO_FATAL_FAILURE(survive(bytes, random)) << seed;
  }
}

TEST_F(GrpcAbuse, FramesOfEveryKindInAnyOrder) {
  const Bytes good = good_bytes();
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    Bytes bytes = good.substr(0, random() % 2 == 0 ? 24 : good.size());
    if (bytes.size() == 24) bytes.append("\0\0\0\4\0\0\0\0\0", 9);
    for (std::uint32_t i = 0; i < 1 + random() % 8; ++i) {
      const std::size_t size = random() % 3 == 0 ? random() % 300 : random() % 12;
      Bytes frame{static_cast<char>(0),
                  static_cast<char>(size >> 8),
                  static_cast<char>(size),
                  static_cast<char>(random() % 12),
                  static_cast<char>(random() % 64),
                  0,
                  0,
                  0,
                  static_cast<char>(random() % 14)};
      for (std::size_t k = 0; k < size; ++k) frame.push_back(static_cast<char>(random()));
      bytes += frame;
    }
    ASSERT_NO_FATAL_FAILURE(survive(bytes, random)) << seed;
  }
}

TEST_F(GrpcAbuse, MessagesThatAreChanged) {
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    std::mt19937 random(seed);
    Bytes message = infer_request("m", "id");
    for (std::uint32_t change = 0; change < 1 + seed % 4; ++change) {
      message[random() % message.size()] = static_cast<char>(random());
    }
    client.unary("ModelInfer", message);
    ClientCall& stream = client.start("ModelStreamInfer");
    client.send(stream, framed(message), true);
    if (seed % 50 == 49) {
      run();
      for (const auto& call : client.calls) {
        EXPECT_TRUE(call->status() == "0" || call->status() == "3") << call->status();
      }
      client.calls.clear();
      client.kept.clear();
    }
  }
}

}  // namespace
}  // namespace penstock::door::testing
