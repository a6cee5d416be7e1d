// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The rate limiter under random models, instances and orders of calls. Whatever happens: nobody
// takes more than there is, and who waits is kept waiting only by somebody who holds something.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>
#include <random>
#include <string>
#include <vector>

#include "sched/rate_limiter.h"

namespace penstock {
namespace {

constexpr std::uint32_t kResources = 3;
constexpr std::uint32_t kGiven = 5;  // of the last one
constexpr std::uint64_t kSeeds = 1000;

class Simulation final {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {}

  void run() {
    for (int step = 0; step < 400 && !::testing::Test::HasFailure(); ++step) {
      if (models_.empty() || chance(4)) load(chance(50));
      Model& model = pick();
      if (chance(2)) {
        unload(model);
      } else {
        act(model, below(model.instances.size()));
      }
      check();
    }
    while (!models_.empty()) unload(models_.front());
    finish();
  }

 private:
  enum class State { kAway, kAsked, kRunning };
  struct Instance {
    std::vector<std::uint32_t> needs;  // by resource
    State state = State::kAway;
  };
  struct Model final : RateLimiter::Listener {
    void may_run() override {}
    std::vector<Instance> instances;
    RateLimiter::Group* group = nullptr;
  };

  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  Model& pick() { return *std::next(models_.begin(), below(models_.size())); }

  void load(bool shared) {
    Model& model = models_.emplace_back();
    std::vector<InstanceLimit> limits(1 + below(3));
    for (InstanceLimit& limit : limits) {
      Instance& instance = model.instances.emplace_back();
      limit.priority = below(4);
      for (std::uint32_t r = 0; r < kResources; ++r) {
        instance.needs.push_back(below(4));
        most_[r] = std::max(most_[r], instance.needs.back());
        limit.resources.push_back({std::to_string(r), instance.needs.back(), r == 1});
      }
    }
    model.group = limiter_.add(limits, shared, model).value();
  }

  void unload(Model& model) {
    limiter_.remove(*model.group);
    models_.remove_if([&](const Model& other) { return &other == &model; });
  }

  void act(Model& model, std::uint32_t i) {
    Instance& instance = model.instances[i];
    if (chance(5)) {
      limiter_.leave(*model.group, i);
      instance.state = State::kAway;
      return;
    }
    instance.state = State::kAsked;
    if (!limiter_.ask(*model.group, i, chance(70) ? 1 + below(3) : 0)) return;
    if (chance(80)) {
      limiter_.start(*model.group, i);
      instance.state = State::kRunning;
    } else {
      limiter_.decline(*model.group, i);
    }
  }

  // When a model goes there may be less than is in use; never more than there was at some time.
  void check() {
    for (std::uint32_t r = 0; r < kResources; ++r) {
      std::uint32_t used = 0;
      for (const Model& model : models_) {
        for (const Instance& instance : model.instances) {
          if (instance.state == State::kRunning) used += instance.needs[r];
        }
      }
      ASSERT_LE(used, r == kResources - 1 ? kGiven : most_[r]) << "resource " << r;
    }
  }

  // One instance alone, of a limiter that everybody has left, may always run.
  void finish() {
    load(false);
    Model& model = models_.front();
    for (std::uint32_t i = 0; i < model.instances.size(); ++i) {
      ASSERT_TRUE(limiter_.ask(*model.group, i, 100));
      limiter_.start(*model.group, i);
      ASSERT_FALSE(limiter_.ask(*model.group, i, 0));
    }
    unload(model);
  }

  std::mt19937_64 random_;
  RateLimiter limiter_{{{std::to_string(kResources - 1), kGiven, {}}}};
  std::list<Model> models_;
  std::array<std::uint32_t, kResources> most_{};
};

TEST(RateLimiterSimulation, Seeds) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation(seed).run();
    if (::testing::Test::HasFailure()) return;
  }
}

// Everybody always has work: all are served, and nothing stands still.
TEST(RateLimiterSimulation, NobodyStarves) {
  struct Ear final : RateLimiter::Listener {
    void may_run() override {}
  } ear;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    RateLimiter limiter({});
    std::vector<InstanceLimit> limits(2 + random() % 5);
    for (InstanceLimit& limit : limits) {
      for (const char* name : {"a", "b"}) {
        limit.resources.push_back({name, static_cast<std::uint32_t>(random() % 3), false});
      }
    }
    RateLimiter::Group* group = limiter.add(limits, false, ear).value();
    std::vector<int> ran(limits.size());
    for (int step = 0; step < 3000; ++step) {
      const auto i = static_cast<std::uint32_t>(random() % limits.size());
      if (!limiter.ask(*group, i, 1)) continue;  // whose execution ends, if it was running
      limiter.start(*group, i);
      ++ran[i];
    }
    for (std::size_t i = 0; i < ran.size(); ++i) EXPECT_GT(ran[i], 30) << seed << ": " << i;
    limiter.remove(*group);
  }
}

}  // namespace
}  // namespace penstock
