// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RateLimiter: which instances, of all models, may run now (contract 4.5, `execution_count`).
//
// An instance runs while it holds all that it needs; it is given all of it at once or nothing, so
// that two can never wait for each other. Of those that wait, the one with the lowest turn is next:
// its executions times its priority. Who cannot have what it needs is passed by those behind it
// only where they need nothing of what it waits for: a large need is not starved by small ones. Who
// had nothing to do for a while, or is new, starts with the turn of the last one that got something
// of what it needs: it is next soon, and is not owed what the others did meanwhile.
//
// There is no clock and no thread in it: calls in, decisions out. Thread safety: all methods, any
// thread; those about one instance from one thread at a time. Ownership: a listener must live until
// remove(). Nothing blocks but one mutex, held for as long as a pass over those that wait takes.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <span>
#include <vector>

#include "penstock/plan.h"
#include "penstock/status.h"
#include "sched/resource_pools.h"

namespace penstock {

class RateLimiter {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // Some of its instances may run: ask() tells which. Called under the lock: must not block or
    // call back.
    virtual void may_run() = 0;
  };
  class Group;  // the instances of one model version

  explicit RateLimiter(std::vector<ResourceCount> given);
  ~RateLimiter();
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // `shared`: what waits is for any of the instances, not for a certain one. Errors: see
  // ResourcePools::add.
  [[nodiscard]] Result<Group*> add(std::span<const InstanceLimit> instances, bool shared,
                                   Listener& listener);
  // Its needs count no more; those that run may end.
  void retire(Group& group);
  // Whatever it holds is given back.
  void remove(Group& group);

  // The instance executes nothing (any more) and could take up some of `waiting` requests. True: it
  // may run and owes start() or decline(); of those of a shared group that are not running, the one
  // whose turn it is may run, which need not be the one that asks.
  [[nodiscard]] bool ask(Group& group, std::uint32_t instance, std::uint64_t waiting);
  // It runs now, until it asks again or leaves.
  void start(Group& group, std::uint32_t instance);
  // There was nothing to run after all.
  void decline(Group& group, std::uint32_t instance);
  // It will not ask any more.
  void leave(Group& group, std::uint32_t instance);

 private:
  struct Member;
  void rest(Member& member);
  void want(Member& member, bool rested);
  void offer_work(Group& group, std::uint64_t waiting);
  void forget_work(Group& group);
  void pass(const Member* asking);
  [[nodiscard]] bool try_give(Member& member);
  [[nodiscard]] bool can_have(const Member& member) const;
  void give(Member& member);

  std::mutex mutex_;
  // Under mutex_:
  ResourcePools pools_;
  std::list<Group> groups_;
  std::vector<Member*> waiting_;  // by turn, then by when they came
  std::uint64_t arrivals_ = 0;    // ever, in waiting_
  std::uint64_t passes_ = 0;
};

}  // namespace penstock
