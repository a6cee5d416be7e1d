// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// A store in a Redis that answers, or does not.
#include "cache/redis_store.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/scripted_redis.h"

namespace penstock {
namespace {

using testing::ScriptedRedis;
using Mood = ScriptedRedis::Mood;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMs = 1'000'000;

// A model whose requests are kept under their ids.
class Client final : public RemoteStore::Client {
 public:
  std::optional<std::string> key_of(Request& request, const ContentHash& hash) override {
    const auto bytes = std::as_bytes(std::span(std::string_view("some text")));
    hashes.push_back(hash(0, bytes.data(), bytes.size()));
    if (request.id == "on a GPU") return std::nullopt;
    return "penstock:m:1:" + request.id;
  }
  void looked_up(Request&, std::optional<std::string_view> entry) override {
    std::lock_guard lock(mutex_);
    answers_.push_back(entry ? std::string(*entry) : "(nothing)");
    changed_.notify_all();
  }
  std::vector<std::string> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20),
                                  [&] { return answers_.size() >= count; }));
    return std::exchange(answers_, {});
  }

  std::vector<std::uint64_t> hashes;  // of the same text

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> answers_;
};

class RedisStoreTest : public ::testing::Test {
 protected:
  RedisOptions options() const {
    RedisOptions options;
    options.host = "127.0.0.1";
    options.port = redis_.port();
    options.socket_timeout_ns = options.wait_timeout_ns = 10'000 * kMs;
    return options;
  }
  static void until(const std::function<bool()>& condition) {
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(Clock::now(), end);
      std::this_thread::yield();
    }
  }
  static void until_up(const RedisStore& store, bool up) {
    until([&] { return store.state().changes > 0 && store.state().up == up; });
  }
  Request& request(const std::string& id) {
    Request& made = requests_.emplace_back();
    made.id = id;
    return made;
  }
  std::string look_up(RedisStore& store, const std::string& id) {
    if (!store.look_up(request(id), client_)) return "(refused)";
    return client_.wait(1).at(0);
  }

  ScriptedRedis redis_;
  Client client_;
  std::deque<Request> requests_;
};

TEST_F(RedisStoreTest, KeepsAndFinds) {
  RedisStore store(options());
  until_up(store, true);
  EXPECT_EQ(store.state().changes, 1u);
  EXPECT_EQ(look_up(store, "a"), "(nothing)");
  const std::string large(300'000, '\0');
  store.insert("penstock:m:1:a", "first");
  store.insert("penstock:m:1:b", large);
  until([&] { return redis_.values().size() == 3; });  // and the key of the hash
  EXPECT_EQ(look_up(store, "a"), "first");
  EXPECT_EQ(look_up(store, "b"), large);
  EXPECT_EQ(look_up(store, "on a GPU"), "(nothing)");
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(store.look_up(request(i % 2 ? "a" : "c"), client_));
  const auto answers = client_.wait(500);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(answers[i], i % 2 ? "first" : "(nothing)");
}

TEST_F(RedisStoreTest, ServersThatShareItHashAlike) {
  Client other;
  {
    RedisStore one(options());
    RedisStore two(options());
    until_up(one, true);
    until_up(two, true);
    EXPECT_EQ(look_up(one, "a"), "(nothing)");
    ASSERT_TRUE(two.look_up(request("a"), other));
    other.wait(1);
  }
  EXPECT_EQ(client_.hashes, other.hashes);
}

TEST_F(RedisStoreTest, SaysWhoItIs) {
  ScriptedRedis guarded("secret");
  RedisOptions options = this->options();
  options.port = guarded.port();
  options.user = "penstock";
  options.password = "secret";
  options.db = 3;
  RedisStore store(options);
  until_up(store, true);
  const auto commands = guarded.commands();
  EXPECT_EQ(commands.at(0), "AUTH penstock secret");
  EXPECT_EQ(commands.at(1), "SELECT 3");
  options.user.clear();
  options.password = "wrong";
  RedisStore refused(options);
  until_up(refused, false);
  EXPECT_EQ(refused.state().text,
            "redis at 127.0.0.1:" + std::to_string(guarded.port()) + ": WRONGPASS no");
  EXPECT_EQ(look_up(refused, "a"), "(refused)");
}

TEST_F(RedisStoreTest, NobodyIsThere) {
  RedisOptions options = this->options();
  {
    const ScriptedRedis gone;
    options.port = gone.port();
  }
  RedisStore store(options);
  until_up(store, false);
  EXPECT_NE(store.state().text.find("Connection refused"), std::string::npos) << store.state().text;
  EXPECT_FALSE(store.takes(1));
  store.insert("k", "v");  // nothing happens
  EXPECT_EQ(look_up(store, "a"), "(refused)");
}

class MoodTest : public RedisStoreTest, public ::testing::WithParamInterface<Mood> {};

// Whoever waits is told so within the time-outs; who comes then is not kept waiting; and all is
// well again when Redis is.
TEST_P(MoodTest, ABadRedisIsNoCache) {
  RedisOptions options = this->options();
  options.socket_timeout_ns = 50 * kMs;
  options.connect_timeout_ns = 200 * kMs;
  redis_.put("penstock:m:1:a", "value");
  RedisStore store(options);
  until_up(store, true);
  EXPECT_EQ(look_up(store, "a"), "value");
  redis_.set_mood(GetParam());
  const auto start = Clock::now();
  std::size_t accepted = 0;
  for (int i = 0; i < 20; ++i) accepted += store.look_up(request("a"), client_);
  ASSERT_GT(accepted, 0u);
  until_up(store, false);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
  for (const auto& answer : client_.wait(accepted)) EXPECT_EQ(answer, "(nothing)");
  EXPECT_EQ(store.state().changes, 2u);
  EXPECT_EQ(look_up(store, "a"), "(refused)");
  redis_.set_mood(Mood::kGood);
  until_up(store, true);
  EXPECT_EQ(store.state().changes, 3u);
  EXPECT_EQ(look_up(store, "a"), "value");
}
INSTANTIATE_TEST_SUITE_P(Moods, MoodTest,
                         ::testing::Values(Mood::kSilent, Mood::kHangsUp, Mood::kNoise,
                                           Mood::kRefuses, Mood::kDrips));

TEST_F(RedisStoreTest, WhoWaitsWhenItEndsIsTold) {
  RedisOptions options = this->options();
  options.socket_timeout_ns = 200 * kMs;
  auto store = std::make_unique<RedisStore>(options);
  until_up(*store, true);
  redis_.set_mood(Mood::kSilent);
  std::size_t accepted = 0;
  for (int i = 0; i < 200; ++i) accepted += store->look_up(request("a"), client_);
  store.reset();
  for (const auto& answer : client_.wait(accepted)) EXPECT_EQ(answer, "(nothing)");
}

}  // namespace
}  // namespace penstock
