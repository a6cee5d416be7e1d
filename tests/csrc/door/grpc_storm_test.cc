// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// B10: cancels and deadlines from several clients at a time, for the sanitizers above all.
#include <cstdlib>
#include <thread>
#include <vector>

#include "door/grpc_door_fixture.h"

namespace penstock::door::testing {
namespace {

constexpr int kClients = 4;
constexpr int kStreams = 64;
constexpr int kOfOneConnection = 320;  // more is a flood (B7)

// With PENSTOCK_FULL=1 as many as B10 has.
int cancels() { return std::getenv("PENSTOCK_FULL") != nullptr ? 50'000 : 5'000; }

// Opens calls and resets them, 64 at a time; then asks for something, and gets it.
void storm(std::uint16_t port, bool deadlines) {
  SocketClient socket(port);
  for (int i = 0; i < kOfOneConnection; i += kStreams) {
    for (int k = 0; k < kStreams; ++k) {
      std::vector<H2Field> more;
      if (deadlines) more.push_back({"grpc-timeout", "1m"});
      ClientCall& call = socket.client.unary("ModelInfer", infer_request("m"), more);
      if (k % 2 == 0) socket.flush();  // some are cancelled when they are known, some at once
      socket.client.session.reset(call, H2Error::kCancel);
    }
    socket.flush();
  }
  EXPECT_TRUE(socket.finish());
  ClientCall& good = socket.client.unary("ModelInfer", infer_request("m"));
  EXPECT_TRUE(socket.finish());
  EXPECT_EQ(good.status(), "0");
}

using GrpcStorm = GrpcDoorTest;

TEST_F(GrpcStorm, B10Cancels) {
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([this, i] {
      for (int done = 0; done < cancels() / kClients; done += kOfOneConnection) {
        storm(port, i % 2 == 1);
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_TRUE(door->drain(10 * kSecond));
  door->stop(10 * kSecond);
  expect_level();
}

TEST_F(GrpcStorm, B10DeadlinesOfAMillisecond) {
  GatedEcho::set(false);  // nothing is answered in time
  SocketClient socket(port);
  for (int i = 0; i < kStreams; ++i) {
    socket.client.unary("ModelInfer", infer_request("m"), {{"grpc-timeout", "1m"}});
  }
  EXPECT_TRUE(socket.finish());
  for (const auto& call : socket.client.calls) EXPECT_EQ(call->status(), "4");
  GatedEcho::set(true);
  EXPECT_TRUE(door->drain(10 * kSecond));
  door->stop(10 * kSecond);
  expect_level();
}

}  // namespace
}  // namespace penstock::door::testing
