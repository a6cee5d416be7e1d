// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The gRPC door on real sockets and threads: several loops, clients that leave, the end.
#include "grpc_door_fixture.h"

namespace penstock::door::testing {
namespace {

TEST_F(GrpcDoorTest, ManyClientsOnTwoLoops) {
  std::vector<std::thread> clients;
  std::atomic<int> answered{0};
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([this, &answered] {
      SocketClient socket(port);
      for (int round = 0; round < 20; ++round) {
        for (int k = 0; k < 10; ++k) socket.client.unary("ModelInfer", infer_request("m"));
        EXPECT_TRUE(socket.finish());
      }
      for (const auto& call : socket.client.calls) answered += call->status() == "0";
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(answered, 6 * 20 * 10);
  EXPECT_TRUE(door->drain(10 * kSecond));
  door->stop(10 * kSecond);
  expect_level();
}

TEST_F(GrpcDoorTest, ClientsThatLeaveInTheMiddle) {  // B9
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([this] {
      for (int round = 0; round < 50; ++round) {
        SocketClient socket(port);
        for (int k = 0; k < 32; ++k) socket.client.unary("ModelInfer", infer_request("m"));
        socket.flush();
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_TRUE(door->drain(10 * kSecond));
  door->stop(10 * kSecond);
  expect_level();
}

TEST_F(GrpcDoorTest, ADrainWaitsForWhatRuns) {  // D10
  GatedEcho::set(false);
  SocketClient socket(port);
  socket.client.unary("ModelInfer", infer_request("m"));
  socket.flush();
  while (door->counters().inferences == 0) std::this_thread::yield();
  EXPECT_FALSE(door->drain(kSecond / 20));
  GatedEcho::set(true);
  EXPECT_TRUE(door->drain(10 * kSecond));
  EXPECT_TRUE(socket.finish());
  EXPECT_EQ(socket.client.calls[0]->status(), "0");
  door->stop(kSecond);
  expect_level();
}

TEST_F(GrpcDoorTest, TheEndOfTheDoorCancelsWhatTheCoreHolds) {
  GatedEcho::set(false);
  SocketClient socket(port);
  for (int i = 0; i < 40; ++i) socket.client.unary("ModelInfer", infer_request("m"));
  socket.flush();
  while (door->counters().inferences < 40) std::this_thread::yield();
  std::thread client([&] {
    EXPECT_FALSE(socket.finish());  // nothing was answered before the door closed the connection
    GatedEcho::set(true);           // and it waits for what the core holds
  });
  door.reset();
  client.join();
}

}  // namespace
}  // namespace penstock::door::testing
