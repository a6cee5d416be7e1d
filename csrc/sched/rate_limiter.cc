// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/rate_limiter.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "penstock/tensor.h"

namespace penstock {

struct RateLimiter::Member {
  enum class State : std::uint8_t {
    kAway,     // not seen yet, or gone
    kResting,  // has nothing to do
    kWaiting,  // in waiting_
    kMayRun,   // holds what it needs, and has not looked yet
    kRunning,  // holds what it needs
  };
  Group* group = nullptr;
  ResourceNeeds needs;
  std::uint64_t priority = 1;
  State state = State::kAway;
  std::uint64_t turn = 0;     // executions * priority
  std::uint64_t arrival = 0;  // of its stay in waiting_

  [[nodiscard]] bool before(const Member& other) const {
    return std::tie(turn, arrival) < std::tie(other.turn, other.arrival);
  }
};

class RateLimiter::Group {
 public:
  Group(std::span<const InstanceLimit> limits, std::vector<ResourceNeeds> needs, bool shared,
        Listener& listener)
      : listener_(listener), shared_(shared), needs_(std::move(needs)), members_(limits.size()) {
    for (std::size_t i = 0; i < limits.size(); ++i) {
      members_[i].group = this;
      members_[i].needs = needs_[i];
      members_[i].priority = std::max<std::uint64_t>(limits[i].priority, 1);  // C-16
    }
  }

 private:
  friend class RateLimiter;
  Listener& listener_;
  const bool shared_;
  const std::vector<ResourceNeeds> needs_;
  std::vector<Member> members_;
  std::uint64_t waiting_ = 0;  // requests, of a shared group
  std::uint64_t may_run_ = 0;  // members that have not looked yet
  bool counts_ = true;         // its needs do
};

RateLimiter::RateLimiter(std::vector<ResourceCount> given) : pools_(std::move(given)) {}
RateLimiter::~RateLimiter() = default;

Result<RateLimiter::Group*> RateLimiter::add(std::span<const InstanceLimit> instances, bool shared,
                                             Listener& listener) {
  std::lock_guard lock(mutex_);
  auto needs = pools_.add(instances);
  if (!needs.ok()) return needs.take_status();
  Group& group = groups_.emplace_back(instances, std::move(needs.value()), shared, listener);
  pass(nullptr);  // there may be more of something
  return &group;
}

void RateLimiter::retire(Group& group) {
  std::lock_guard lock(mutex_);
  if (!std::exchange(group.counts_, false)) return;
  pools_.remove(group.needs_);
}

void RateLimiter::remove(Group& group) {
  std::lock_guard lock(mutex_);
  for (Member& member : group.members_) rest(member);
  if (group.counts_) pools_.remove(group.needs_);
  groups_.remove_if([&](const Group& other) { return &other == &group; });
  pass(nullptr);
}

bool RateLimiter::ask(Group& group, std::uint32_t instance, std::uint64_t waiting) {
  std::lock_guard lock(mutex_);
  Member& member = group.members_[instance];
  if (member.state == Member::State::kMayRun) return true;
  const bool ran = member.state == Member::State::kRunning;
  if (waiting == 0) {
    rest(member);
    if (group.shared_) forget_work(group);
  } else {
    if (member.state != Member::State::kWaiting) {
      rest(member);
      want(member, !ran);
    }
    if (group.shared_) offer_work(group, waiting);
  }
  if (ran || waiting > 0) pass(&member);
  return member.state == Member::State::kMayRun;
}

void RateLimiter::start(Group& group, std::uint32_t instance) {
  std::lock_guard lock(mutex_);
  Member& member = group.members_[instance];
  member.state = Member::State::kRunning;
  --group.may_run_;
  member.turn = checked_add(member.turn, member.priority).value_or(UINT64_MAX);
}

void RateLimiter::decline(Group& group, std::uint32_t instance) {
  std::lock_guard lock(mutex_);
  rest(group.members_[instance]);
  if (group.shared_) forget_work(group);
  pass(nullptr);
}

void RateLimiter::leave(Group& group, std::uint32_t instance) {
  std::lock_guard lock(mutex_);
  Member& member = group.members_[instance];
  rest(member);
  member.state = Member::State::kAway;
  pass(nullptr);
}

// Gives back what it holds, and waits for nothing.
void RateLimiter::rest(Member& member) {
  if (member.state == Member::State::kWaiting) std::erase(waiting_, &member);
  if (member.state == Member::State::kMayRun) --member.group->may_run_;
  if (member.state == Member::State::kMayRun || member.state == Member::State::kRunning) {
    for (ResourceNeed& need : member.needs) need.pool->used -= need.count;
  }
  member.state = Member::State::kResting;
}

// `rested`: it is not owed what others did meanwhile.
void RateLimiter::want(Member& member, bool rested) {
  for (const ResourceNeed& need : member.needs) {
    if (rested && need.count > 0) member.turn = std::max(member.turn, need.pool->turn);
  }
  member.state = Member::State::kWaiting;
  member.arrival = ++arrivals_;
  const auto behind = [](const Member* a, const Member* b) { return a->before(*b); };
  waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), &member, behind), &member);
}

void RateLimiter::offer_work(Group& group, std::uint64_t waiting) {
  group.waiting_ = waiting;
  for (Member& member : group.members_) {
    if (member.state == Member::State::kResting) want(member, true);
  }
}

void RateLimiter::forget_work(Group& group) {
  group.waiting_ = 0;
  for (Member& member : group.members_) {
    if (member.state == Member::State::kWaiting) rest(member);
  }
}

// Gives all that can be given. The one that asks needs not be told.
void RateLimiter::pass(const Member* asking) {
  ++passes_;
  std::size_t kept = 0;
  for (Member* member : waiting_) {
    if (!try_give(*member)) {
      waiting_[kept++] = member;
    } else if (member != asking) {
      member->group->listener_.may_run();
    }
  }
  waiting_.resize(kept);
}

bool RateLimiter::try_give(Member& member) {
  const Group& group = *member.group;
  if (group.shared_ && group.may_run_ >= group.waiting_)
    return false;  // enough of them look already
  if (can_have(member)) {
    give(member);
    return true;
  }
  for (ResourceNeed& need : member.needs) {
    if (need.count > 0) need.pool->blocked_in = passes_;
  }
  return false;
}

bool RateLimiter::can_have(const Member& member) const {
  return std::all_of(member.needs.begin(), member.needs.end(), [this](const ResourceNeed& need) {
    return need.count == 0 || (need.met() && need.pool->blocked_in != passes_);
  });
}

void RateLimiter::give(Member& member) {
  for (ResourceNeed& need : member.needs) {
    need.pool->used += need.count;
    if (need.count > 0) need.pool->turn = std::max(need.pool->turn, member.turn);
  }
  member.state = Member::State::kMayRun;
  ++member.group->may_run_;
}

}  // namespace penstock
