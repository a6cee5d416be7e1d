// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Once warm, a call takes nothing from the heap, on the loop that serves it and on the instance
// that runs it, and its loop takes no lock at all: none could be shared with another loop. What
// nghttp2 keeps of a stream comes from malloc, which is not counted.
#include <thread>

#include "door/grpc_door_fixture.h"
#include "door/hot_path.h"

namespace penstock::door::testing {
namespace {

class GrpcHotPath : public GrpcDoorTest {
 protected:
  GrpcHotPath() { HotPath::is_client = true; }
  ~GrpcHotPath() override { HotPath::is_client = false; }

  static void ask_often(SocketClient& socket, std::string_view rpc, std::string_view message,
                        int times) {
    for (int i = 0; i < times; ++i) {
      ClientCall& call = socket.client.unary(rpc, message);
      ASSERT_TRUE(socket.finish());
      ASSERT_EQ(call.status(), "0");
      socket.client.calls.clear();
      socket.client.kept.clear();
    }
  }
  void expect_none_warm(std::string_view rpc, std::string_view message) {
    SocketClient socket(port);
    ask_often(socket, rpc, message, 300);
    const Taken taken(*engine);
    ask_often(socket, rpc, message, 1000);
    taken.check();
  }
};

TEST_F(GrpcHotPath, ASmallInference) { expect_none_warm("ModelInfer", infer_request("m")); }

TEST_F(GrpcHotPath, Health) { expect_none_warm("ServerReady", ""); }

// The counters count: what is not warm is seen by them.
TEST_F(GrpcHotPath, WhatIsNotWarmIsSeen) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "nothing is counted under ThreadSanitizer";
#endif
  const std::size_t before = HotPath::allocations;
  SocketClient socket(port);
  ask_often(socket, "ModelInfer", infer_request("m"), 1);
  EXPECT_GT(HotPath::allocations, before);
  const std::size_t locked = HotPath::locks;
  door->stop_accepting();  // posts a task to each loop
  while (HotPath::locks == locked) std::this_thread::yield();
}

}  // namespace
}  // namespace penstock::door::testing
