// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "request/request_pool.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

TEST(RequestPoolTest, HandsOutNoMoreThanItsBound) {
  RequestPool pool(70);
  std::set<Request*> taken;
  for (int i = 0; i < 70; ++i) taken.insert(pool.acquire());
  EXPECT_EQ(taken.size(), 70u);
  EXPECT_EQ(taken.count(nullptr), 0u);
  EXPECT_EQ(pool.acquire(), nullptr);
  pool.release(*taken.begin());
  EXPECT_NE(pool.acquire(), nullptr);
}

TEST(RequestPoolTest, ReleaseGivesLeasesBackAndCleans) {
  BufferPool buffers(make_page_allocator(), {});
  RequestPool pool(1);
  const ModelPlan plan = testing::pair_plan(0);
  Request* request = pool.acquire();
  RequestTestPeer::bind(*request, plan);
  request->id = "x";
  request->deadline_ns = 5;
  testing::add_input<float>(*request, buffers, "IN", DataType::kFp32, Shape{2}, {1, 2});
  request->response.status = internal_error("no");
  EXPECT_GT(buffers.stats().in_use_bytes, 0u);
  pool.release(request);
  EXPECT_EQ(buffers.stats().in_use_bytes, 0u);
  Request* again = pool.acquire();
  EXPECT_EQ(again, request);
  EXPECT_TRUE(again->id.empty());
  EXPECT_EQ(again->deadline_ns, Request::kNoDeadlineNs);
  EXPECT_EQ(again->inputs.size(), 0u);
  EXPECT_TRUE(again->response.status.ok());
}

TEST(RequestPoolTest, StaleHandlesCancelNothing) {
  RequestPool pool(1);
  Request* request = pool.acquire();
  const RequestHandle handle = request->handle();
  EXPECT_TRUE(pool.cancel(handle));
  EXPECT_TRUE(request->cancelled());
  pool.release(request);
  EXPECT_FALSE(pool.cancel(handle));
  Request* again = pool.acquire();
  EXPECT_FALSE(again->cancelled());
  RequestTestPeer::mark(*again,
                        handle.generation);  // the race: a mark that arrives a generation late
  EXPECT_FALSE(again->cancelled());
  EXPECT_FALSE(pool.cancel({12345, 1}));
}

// The newest slot is used first, so that one sees 2^32 requests within hours.
TEST(RequestPoolTest, CancelHoldsForSlotsOfAnyAge) {
  RequestPool pool(1);
  for (const std::uint64_t age : {UINT64_C(0x80000001), UINT64_C(1) << 32}) {
    Request* request = pool.acquire();
    RequestTestPeer::age(*request, age);
    EXPECT_FALSE(request->cancelled()) << age;
    EXPECT_TRUE(pool.cancel(request->handle()));
    EXPECT_TRUE(request->cancelled()) << age;
    pool.release(request);
  }
}

TEST(RequestPoolTest, SlotsDoNotKeepWhatOneLargeRequestNeeded) {
  const ModelPlan plan = testing::pair_plan(0);
  const std::string large(1 << 20, 'x');
  RequestPool pool(1);
  Request* request = pool.acquire();
  RequestTestPeer::bind(*request, plan);
  request->id = large;
  request->correlation_id_string = large;
  for (int i = 0; i < 1000; ++i) {
    Parameter& parameter = request->parameters.append();
    parameter.name = std::to_string(i);
    parameter.value = std::string(1024, 'x');
    request->add_input("unknown " + std::to_string(i));
  }
  Parameter& first = request->parameters[0];
  first.name = large;
  request->add_output(large);
  pool.release(request);
  Request* again = pool.acquire();
  EXPECT_EQ(again, request);
  EXPECT_LT(again->id.capacity(), 1024u);
  EXPECT_LT(again->correlation_id_string.capacity(), 1024u);
  RequestTestPeer::bind(*again, plan);
  EXPECT_LT(again->add_output("OUT")->unknown_name.capacity(), 1024u);
  const Parameter& kept = again->parameters.append();
  EXPECT_LT(kept.name.capacity(), 1024u);
  EXPECT_LT(std::get<std::string>(kept.value).capacity(), 1024u);
  EXPECT_LT(again->parameters.kept(), 100u);
  EXPECT_LT(again->inputs.kept(), 100u);
}

TEST(RequestPoolTest, ThreadsShareIt) {
  RequestPool pool(128);
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        Request* request = pool.acquire();
        if (request == nullptr) {
          ++refused;
          continue;
        }
        request->id = "abc";
        (void)pool.cancel(request->handle());
        EXPECT_TRUE(request->cancelled());
        pool.release(request);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(pool.acquired(), pool.released());
}

}  // namespace
}  // namespace penstock
