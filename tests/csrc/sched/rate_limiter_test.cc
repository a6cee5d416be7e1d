// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Who runs when, and what models may need (contract 4.5, C-16).
#include "sched/rate_limiter.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace penstock {
namespace {

InstanceLimit limit(std::vector<InstanceResource> resources, std::uint32_t priority = 1,
                    std::int32_t device = 0) {
  return {std::move(resources), priority, device};
}
InstanceResource local(const std::string& name, std::uint32_t count) {
  return {name, count, false};
}
InstanceResource global(const std::string& name, std::uint32_t count) {
  return {name, count, true};
}

struct Ear final : RateLimiter::Listener {
  void may_run() override { ++heard; }
  int heard = 0;
};

// One model version whose instances are asked for by hand.
class Model {
 public:
  Model(RateLimiter& limiter, std::vector<InstanceLimit> limits, bool shared = false)
      : limiter_(limiter) {
    auto group = limiter.add(limits, shared, ear);
    if (group.ok()) {
      group_ = group.value();
    } else {
      error = group.status().message();
      EXPECT_EQ(group.status().code(), Code::kInvalidArg);
    }
  }
  ~Model() { remove(); }
  void remove() {
    if (group_ != nullptr) limiter_.remove(*group_);
    group_ = nullptr;
  }
  void retire() { limiter_.retire(*group_); }

  bool ask(std::uint32_t instance = 0, std::uint64_t waiting = 1) {
    return limiter_.ask(*group_, instance, waiting);
  }
  // Asks, and runs if it may.
  bool run(std::uint32_t instance = 0, std::uint64_t waiting = 1) {
    if (!ask(instance, waiting)) return false;
    limiter_.start(*group_, instance);
    return true;
  }
  void start(std::uint32_t instance = 0) { limiter_.start(*group_, instance); }
  void decline(std::uint32_t instance = 0) { limiter_.decline(*group_, instance); }
  // Its execution ends and nothing waits.
  void rest(std::uint32_t instance = 0) { EXPECT_FALSE(ask(instance, 0)); }
  void leave(std::uint32_t instance = 0) { limiter_.leave(*group_, instance); }

  Ear ear;
  std::string error;

 private:
  RateLimiter& limiter_;
  RateLimiter::Group* group_ = nullptr;
};

// ---- resources ----

TEST(RateLimiter, RunsWhileThereIsEnough) {
  RateLimiter limiter({{"R", 3, {}}});
  Model a(limiter, {limit({local("R", 2)}), limit({local("R", 1)}), limit({local("R", 1)})});
  EXPECT_TRUE(a.run(0));
  EXPECT_TRUE(a.run(1));
  EXPECT_FALSE(a.run(2));
  a.rest(1);
  EXPECT_TRUE(a.run(2));
}

TEST(RateLimiter, WithoutACountThereIsWhatTheMostDemandingNeeds) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 2)}), limit({local("R", 2)})});
  EXPECT_TRUE(a.run(0));
  EXPECT_FALSE(a.run(1));
  Model b(limiter, {limit({local("R", 4)})});  // now there are four
  EXPECT_EQ(a.ear.heard, 1);
  EXPECT_TRUE(a.run(1));
  b.remove();  // two again, and four in use
  a.rest(0);
  EXPECT_FALSE(a.run(0));
  a.rest(1);
  EXPECT_TRUE(a.run(0));
}

TEST(RateLimiter, ResourcesOfDevicesAreTheirOwn) {
  RateLimiter limiter({{"R", 1, {}}, {"S", 1, 0}, {"S", 2, 1}});
  Model a(limiter, {limit({local("R", 1)}, 1, 0), limit({local("R", 1)}, 1, 1),
                    limit({local("R", 1)}, 1, 0)});
  EXPECT_TRUE(a.run(0));
  EXPECT_TRUE(a.run(1));
  EXPECT_FALSE(a.run(2));
  Model b(limiter, {limit({local("S", 1)}, 1, 0), limit({local("S", 2)}, 1, 1)});
  EXPECT_TRUE(b.run(0));
  EXPECT_TRUE(b.run(1));
}

TEST(RateLimiter, GlobalResourcesAreOneForAllDevices) {
  RateLimiter limiter({{"G", 1, 7}});  // whose device is ignored
  Model a(limiter, {limit({global("G", 1)}, 1, 0), limit({global("G", 1)}, 1, 1)});
  EXPECT_TRUE(a.run(0));
  EXPECT_FALSE(a.run(1));
}

TEST(RateLimiter, AnInstanceThatCouldNeverRunIsRefused) {
  RateLimiter limiter({{"R", 3, {}}, {"S", 1, 1}});
  Model a(limiter, {limit({local("R", 2)}), limit({local("R", 4)})});
  EXPECT_EQ(a.error,
            "Resource count for \"R\" is limited to 3 which will prevent scheduling of one or more "
            "model instances, the minimum required count is 4");
  Model b(limiter, {limit({local("S", 2)}, 1, 1)});
  EXPECT_EQ(b.error,
            "Resource count for \"S\" is limited to 1 which will prevent scheduling of one or more "
            "model instances, the minimum required count is 2");
  Model c(limiter, {limit({local("R", 3)}), limit({local("S", 9)}, 1, 0)});
  EXPECT_EQ(c.error, "");
  EXPECT_TRUE(c.run(0));  // nothing is left of those that were refused
}

TEST(RateLimiter, AResourceIsOfOneKind) {
  const char* text =
      "Resource \"R\" is present as both global and device-specific resource in the model "
      "configuration.";
  RateLimiter limiter({});
  EXPECT_EQ(Model(limiter, {limit({local("R", 1), global("R", 1)})}).error, text);
  Model a(limiter, {limit({local("R", 1)})});
  EXPECT_EQ(a.error, "");
  EXPECT_EQ(Model(limiter, {limit({global("R", 1)})}).error, text);
  a.remove();
  EXPECT_EQ(Model(limiter, {limit({global("R", 1)})}).error, "");
}

TEST(RateLimiter, NothingIsNeededOfNothing) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 0)}), limit({})});
  EXPECT_TRUE(a.run(0));
  EXPECT_TRUE(a.run(1));
}

// ---- turns ----

// Executions of each instance after `count` in all, one at a time, while all have work.
std::map<std::string, int> share(int count,
                                 const std::map<std::string, std::uint32_t>& priorities) {
  RateLimiter limiter({});
  std::map<std::string, Model> models;
  for (const auto& [name, priority] : priorities) {
    models.try_emplace(name, limiter, std::vector{limit({local("R", 1)}, priority)});
  }
  std::map<std::string, int> executions;
  std::string running;
  for (auto& [name, model] : models) {
    if (model.run()) running = name;
  }
  for (int i = 0; i < count; ++i) {
    ++executions[running];
    (void)models.at(running).ask();  // its execution ends, and more waits
    for (auto& [name, model] : models) {
      if (!model.run()) continue;
      running = name;
      break;
    }
  }
  return executions;
}

TEST(RateLimiter, TheNextIsTheOneWithTheLowestExecutionsTimesPriority) {
  using Counts = std::map<std::string, int>;
  EXPECT_EQ(share(300, {{"a", 1}, {"b", 2}}), (Counts{{"a", 200}, {"b", 100}}));
  EXPECT_EQ(share(300, {{"a", 1}, {"b", 1}, {"c", 1}}),
            (Counts{{"a", 100}, {"b", 100}, {"c", 100}}));
  EXPECT_EQ(share(110, {{"a", 1}, {"b", 2}, {"c", 3}}), (Counts{{"a", 60}, {"b", 30}, {"c", 20}}));
  EXPECT_EQ(share(100, {{"a", 0}, {"b", 1}}), (Counts{{"a", 50}, {"b", 50}}));  // C-16
}

TEST(RateLimiter, AmongEqualsTheFirstToComeIsNext) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 1)}), limit({local("R", 1)}), limit({local("R", 1)})});
  EXPECT_TRUE(a.run(0));
  EXPECT_FALSE(a.ask(2));
  EXPECT_FALSE(a.ask(1));
  a.rest(0);
  EXPECT_TRUE(a.run(2));
  EXPECT_FALSE(a.ask(1));
}

TEST(RateLimiter, ALargeNeedIsNotStarvedBySmallOnes) {
  RateLimiter limiter({});
  Model large(limiter, {limit({local("R", 2)})});
  Model small(limiter, {limit({local("R", 1)}), limit({local("R", 1)})});
  Model other(limiter, {limit({local("S", 1)})});
  EXPECT_TRUE(small.run(0));
  EXPECT_FALSE(large.ask());   // one is free, it needs two
  EXPECT_FALSE(small.run(1));  // which the small ones leave to it
  EXPECT_TRUE(other.run());    // who needs something else passes
  small.rest(0);
  EXPECT_TRUE(large.run());
  large.rest();
  EXPECT_TRUE(small.run(1));
}

TEST(RateLimiter, AllThatIsNeededOrNothing) {
  RateLimiter limiter({});
  Model both(limiter, {limit({local("R", 1), local("S", 1)})});
  Model first(limiter, {limit({local("R", 1)})});
  Model second(limiter, {limit({local("S", 1)})});
  EXPECT_TRUE(first.run());
  EXPECT_FALSE(both.ask());
  EXPECT_FALSE(second.run());  // S is free, and kept for `both`, which came first
  first.rest();
  EXPECT_EQ(both.ear.heard, 1);
  EXPECT_TRUE(both.run());
  both.rest();
  EXPECT_TRUE(second.run());
}

TEST(RateLimiter, WhoRestedOrIsNewIsNotOwedWhatOthersDid) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 1)})});
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(a.run());
  Model fresh(limiter, {limit({local("R", 1)})});
  int of_a = 0;
  int of_fresh = 0;
  EXPECT_FALSE(fresh.ask());
  for (int i = 0; i < 100; ++i) {
    if (a.run()) {
      ++of_a;
    } else if (fresh.run()) {
      ++of_fresh;
    }
  }
  EXPECT_GT(of_a, 20);
  EXPECT_NEAR(of_a, of_fresh, 2);
}

// ---- instances that share a queue ----

TEST(RateLimiter, OfASharedQueueTheOneWhoseTurnItIsMayRun) {
  RateLimiter limiter({});
  Model a(limiter, {limit({}, 1), limit({}, 2)}, true);
  a.rest(0);
  a.rest(1);
  std::vector<int> order;
  for (int i = 0; i < 6; ++i) {
    const bool own = a.ask(1);  // it was woken by chance, one request waits
    const std::uint32_t chosen = own ? 1 : 0;
    EXPECT_TRUE(a.run(chosen));
    a.rest(chosen);
    order.push_back(static_cast<int>(chosen));
  }
  EXPECT_EQ(std::count(order.begin(), order.end(), 0), 4);  // twice as often
  EXPECT_EQ(a.ear.heard, 4);                                // it slept
}

TEST(RateLimiter, NoMoreOfASharedQueueLookThanRequestsWait) {
  RateLimiter limiter({});
  Model a(limiter, {limit({}), limit({}), limit({})}, true);
  for (std::uint32_t i = 0; i < 3; ++i) a.rest(i);
  EXPECT_TRUE(a.ask(0, 1));
  EXPECT_FALSE(a.ask(1, 1));
  EXPECT_TRUE(a.ask(1, 2));
  EXPECT_FALSE(a.ask(2, 2));
  a.start(0);
  EXPECT_TRUE(a.ask(2, 2));
}

TEST(RateLimiter, WhatIsDeclinedGoesToOthers) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 1)}), limit({local("R", 1)})}, true);
  Model b(limiter, {limit({local("R", 1)})});
  EXPECT_TRUE(a.ask(0));
  EXPECT_FALSE(a.ask(1, 2));
  EXPECT_FALSE(b.ask());
  a.decline(0);  // there was nothing after all: neither for its sibling
  EXPECT_EQ(b.ear.heard, 1);
  EXPECT_TRUE(b.run());
  b.rest();
  EXPECT_TRUE(a.ask(0));  // it was not counted
}

// ---- coming and going ----

TEST(RateLimiter, WhoLeavesGivesBackWhatItHoldsOrHolds) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 1)}), limit({local("R", 1)})});
  Model b(limiter, {limit({local("R", 1)})});
  EXPECT_TRUE(a.run(0));
  EXPECT_FALSE(a.ask(1));
  EXPECT_FALSE(b.ask());
  a.leave(1);  // one that waits
  EXPECT_EQ(b.ear.heard, 0);
  a.leave(0);  // one that runs
  EXPECT_EQ(b.ear.heard, 1);
  EXPECT_TRUE(b.run());
}

TEST(RateLimiter, ARetiredModelHoldsWhatItRunsWithAndNeedsNothing) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 3)})});
  Model b(limiter, {limit({local("R", 2)})});
  EXPECT_TRUE(a.run());
  a.retire();
  EXPECT_FALSE(b.run());  // three of two are in use
  a.leave();
  EXPECT_TRUE(b.run());
  a.remove();
  b.rest();
  EXPECT_TRUE(b.run());
}

TEST(RateLimiter, AModelThatGoesWakesWhoWaits) {
  RateLimiter limiter({});
  Model a(limiter, {limit({local("R", 1)})});
  Model b(limiter, {limit({local("R", 1)})});
  EXPECT_TRUE(a.run());
  EXPECT_FALSE(b.ask());
  a.remove();
  EXPECT_EQ(b.ear.heard, 1);
  EXPECT_TRUE(b.run());
}

}  // namespace
}  // namespace penstock
