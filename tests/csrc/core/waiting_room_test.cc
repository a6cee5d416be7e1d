// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Requests that wait for a model to be loaded: each goes on, or is told why not, once.
#include "core/waiting_room.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "penstock/engine.h"
#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::Owner;

constexpr std::int64_t kSecond = 1'000'000'000;

bool readable(int fd) {
  pollfd descriptor{fd, POLLIN, 0};
  return poll(&descriptor, 1, 0) == 1;
}

class Waiting : public ::testing::Test {
 protected:
  Waiting() { engine_.publish("m", {}, {1}, true); }

  // One that waits for "m", null when it may not; why is in `refused_`.
  Request* wait(std::int64_t deadline_ns = Request::kNoDeadlineNs) {
    Request* request = engine_.acquire();
    request->completion = &owner_.ring;
    request->deadline_ns = deadline_ns;
    EXPECT_FALSE(engine_.bind(*request, "m", -1).ok());
    meanwhile_();
    refused_ = engine_.await_model(*request, "m", -1);
    if (refused_.ok()) return request;
    engine_.release(request);
    return nullptr;
  }
  void expect_another_try(int count = 1) {
    owner_.collect(count, [&](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  }
  void expect(Code code) {
    owner_.collect(1, [&](const Response& r) { EXPECT_EQ(r.status.code(), code); });
  }
  ModelVersionRef load() {
    auto model = engine_.create(std::make_shared<ModelPlan>(testing::pair_plan(8)));
    EXPECT_TRUE(model.ok());
    model.value()->start(0, std::make_unique<Doubler>());
    engine_.publish("m", {model.value()}, {}, true);
    return model.value();
  }

  Engine engine_{EngineOptions{}};
  Owner owner_{engine_};
  Status refused_;
  std::function<void()> meanwhile_ = [] {};  // between a request's bind() and its await_model()
};

TEST_F(Waiting, AModelThatIsLoadedJustAfterItWasLookedForIsThere) {
  ModelVersionRef model;
  meanwhile_ = [&] { model = load(); };
  ASSERT_NE(wait(), nullptr);
  expect_another_try();
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 3)).ok());
  owner_.collect(1, [&](const Response& r) { EXPECT_EQ(testing::first_value(r), 6); });
  engine_.retire(model, kSecond);
}

TEST_F(Waiting, AModelThatIsGivenUpJustAfterItWasLookedForSaysWhy) {
  meanwhile_ = [&] { engine_.refuse("m", unavailable("no weights")); };
  EXPECT_EQ(wait(), nullptr);
  EXPECT_EQ(refused_.message(), "no weights");
}

TEST_F(Waiting, GoesOnWhenTheModelIsThere) {
  ASSERT_NE(wait(), nullptr);
  ASSERT_NE(wait(), nullptr);
  auto model = load();
  expect_another_try(2);
  ASSERT_TRUE(engine_.submit(*owner_.request("m", 3)).ok());
  owner_.collect(1, [&](const Response& r) { EXPECT_EQ(testing::first_value(r), 6); });
  engine_.retire(model, kSecond);
}

TEST_F(Waiting, AModelIsWantedOnceUntilItWasThere) {
  EXPECT_FALSE(readable(engine_.wanted_models_fd()));
  ASSERT_NE(wait(), nullptr);
  ASSERT_NE(wait(), nullptr);
  EXPECT_TRUE(readable(engine_.wanted_models_fd()));
  EXPECT_EQ(engine_.take_wanted_models(), std::vector<std::string>{"m"});
  EXPECT_FALSE(readable(engine_.wanted_models_fd()));
  ASSERT_NE(wait(), nullptr);
  EXPECT_TRUE(engine_.take_wanted_models().empty());
  engine_.publish("m", {}, {1}, true);  // it is being loaded: they wait on
  engine_.refuse("m", unavailable("no weights"));
  expect_another_try(3);
  EXPECT_EQ(owner_.request("m", 0), nullptr);
  EXPECT_EQ(owner_.status.message(), "no weights");
  engine_.publish("m", {}, {1}, true);
  ASSERT_NE(wait(), nullptr);
  EXPECT_EQ(engine_.take_wanted_models(), std::vector<std::string>{"m"});
  engine_.forget("m");
  expect_another_try();
}

TEST_F(Waiting, NobodyWaitsForWhatIsNotLoadedOnDemand) {
  engine_.publish("m", {}, {1});
  EXPECT_EQ(wait(), nullptr);
  EXPECT_EQ(refused_.code(), Code::kNotFound);
  engine_.forget("m");
  EXPECT_EQ(wait(), nullptr);
  EXPECT_EQ(refused_.code(), Code::kInvalidArg);
}

TEST_F(Waiting, EndsWithItsDeadlineOrItsClient) {
  ASSERT_NE(wait(RealClock().now_ns() + 5'000'000), nullptr);
  expect(Code::kDeadlineExceeded);
  Request* request = wait();
  ASSERT_NE(request, nullptr);
  EXPECT_TRUE(engine_.cancel(request->handle()));
  expect(Code::kCancelled);
}

TEST_F(Waiting, EndsWhenTheServerStops) {
  ASSERT_NE(wait(), nullptr);
  engine_.stop_accepting();
  expect(Code::kUnavailable);
  EXPECT_EQ(wait(), nullptr);
  EXPECT_EQ(refused_.code(), Code::kUnavailable);
}

TEST_F(Waiting, IsBounded) {
  for (std::size_t i = 0; i < WaitingRoom::kMost; ++i) ASSERT_NE(wait(), nullptr);
  EXPECT_EQ(wait(), nullptr);
  EXPECT_EQ(refused_.code(), Code::kUnavailable);
  engine_.forget("m");
  expect_another_try(static_cast<int>(WaitingRoom::kMost));
}

TEST_F(Waiting, NoneIsForgottenWhileTheModelComesAndGoes) {
  std::atomic<bool> done{false};
  std::thread loader([&] {
    while (!done.load()) {
      engine_.publish("m", {}, {1}, true);
      engine_.forget("m");
    }
    engine_.forget("m");
  });
  for (int i = 0; i < 2000; ++i) {
    if (wait() != nullptr) expect_another_try();
  }
  done.store(true);
  loader.join();
}

}  // namespace
}  // namespace penstock
