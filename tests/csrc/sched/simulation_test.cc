// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Random plans and random days in the life of a scheduler, each from a seed, on a manual clock and
// one thread. Whatever happens, the invariants hold; what breaks one names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "sched/scheduler.h"
#include "support/plans.h"
#include "support/requests.h"
#include "support/seeds.h"

namespace penstock {
namespace {

constexpr int kSeeds = 10'000;
constexpr int kSteps = 60;
constexpr std::int64_t kUs = 1000;

enum class Outcome { kQueued, kRefused, kRejected, kStarted };

// What the scheduler should know of a request, kept apart from it.
struct Shadow {
  Request* request = nullptr;
  std::int64_t columns = 0;
  std::int64_t rows = 0;
  std::size_t level = 0;                   // 0 is the most urgent
  std::int64_t expires_ns = kNoDeadline;   // of the queue policy
  std::int64_t deadline_ns = kNoDeadline;  // end to end
  bool cancelled = false;
  Outcome outcome = Outcome::kQueued;
};

class Simulation final : public RejectSink {
 public:
  Simulation(std::uint64_t seed, RequestPool& slots, BufferPool& pool)
      : random_(seed), slots_(slots), pool_(pool), plan_(random_plan()) {
    scheduler_ = make_scheduler(plan_, clock_, *this);
  }
  ~Simulation() override {
    for (auto& shadow : shadows_) {
      if (shadow.request->state() == RequestState::kBatched) {
        shadow.request->set_state(RequestState::kDone);
      }
      if (shadow.outcome == Outcome::kQueued) continue;  // a failure that was reported
      slots_.release(shadow.request);
    }
  }

  // What went wrong; empty when nothing did.
  std::string run() {
    for (int i = 0; i < kSteps && error_.empty(); ++i) step();
    if (error_.empty()) end();
    return error_;
  }

 private:
  std::int64_t below(std::int64_t n) {
    return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_);
  }
  bool chance(int percent) { return below(100) < percent; }

  ModelPlan random_plan() {
    ModelPlan plan = testing::pair_plan(below(7));
    plan.inputs[0].dims = Shape{-1};
    plan.inputs[0].allow_ragged_batch = chance(20);
    plan.queue_capacity = static_cast<std::uint32_t>(1 + below(24));
    if (chance(25)) return plan;
    plan.scheduler = SchedulerKind::kDynamic;
    DynamicBatching& dynamic = plan.dynamic;
    const std::int64_t largest = std::max<std::int64_t>(plan.max_batch_size, 1);
    for (std::int64_t size = 1; size <= largest; ++size) {
      if (chance(25)) dynamic.preferred_batch_sizes.push_back(size);
    }
    if (chance(60)) dynamic.max_queue_delay_us = static_cast<std::uint64_t>(1 + below(50));
    dynamic.preserve_ordering = chance(20);
    dynamic.default_policy = random_policy();
    if (chance(50)) return plan;
    dynamic.priority_levels = static_cast<std::uint32_t>(1 + below(4));
    dynamic.default_priority_level = static_cast<std::uint32_t>(1 + below(dynamic.priority_levels));
    for (std::uint32_t i = 0; i < dynamic.priority_levels; ++i) {
      dynamic.level_policies.push_back(random_policy());
    }
    return plan;
  }
  QueuePolicy random_policy() {
    QueuePolicy policy;
    if (chance(50)) policy.default_timeout_us = static_cast<std::uint64_t>(1 + below(60));
    if (chance(50)) policy.timeout_action = TimeoutAction::kDelay;
    policy.allow_timeout_override = chance(30);
    if (chance(30)) policy.max_queue_size = static_cast<std::uint32_t>(1 + below(12));
    return policy;
  }
  // S-1, in its own words.
  std::size_t level_of(const Request& request) const {
    const DynamicBatching& dynamic = plan_.dynamic;
    if (dynamic.priority_levels == 0) return 0;
    const bool known = request.priority >= 1 && request.priority <= dynamic.priority_levels;
    return (known ? request.priority : dynamic.default_priority_level) - 1;
  }
  const QueuePolicy& policy_of(std::size_t level) const {
    const DynamicBatching& dynamic = plan_.dynamic;
    return dynamic.priority_levels == 0 ? dynamic.default_policy : dynamic.level_policies[level];
  }

  void step() {
    switch (below(9)) {
      case 0:
      case 1:
      case 2:
        return submit();
      case 3:
        return cancel();
      case 4:
        return clock_.advance_ns(below(30) * kUs);
      case 5:
        return finish();
      case 6:
        return sweep();
      default:
        return (void)poll();
    }
  }

  void submit() {
    Shadow shadow;
    shadow.request = slots_.acquire();
    shadow.columns = chance(85) ? 1 : 2;
    shadow.rows = plan_.batching() ? below(plan_.max_batch_size + 1) : 1;
    Request& request = *shadow.request;
    RequestTestPeer::bind(request, plan_);
    InputTensor* input = request.add_input("IN");
    input->view.shape = Shape{shadow.rows, shadow.columns};
    input->lease = pool_.acquire(64);
    request.batch_size = shadow.rows;
    if (chance(20)) shadow.deadline_ns = clock_.now_ns() + below(60) * kUs;
    if (chance(30)) request.timeout_us = static_cast<std::uint64_t>(1 + below(60));
    request.deadline_ns = shadow.deadline_ns;
    if (chance(60)) request.priority = static_cast<std::uint64_t>(below(6));
    shadow.level = level_of(request);
    shadow.expires_ns = expires_ns(request, policy_of(shadow.level));
    const bool room = has_room(shadow.level) && !stopped_;
    const Status status = scheduler_->submit(request);
    if (status.ok() != room) fail("submit said " + status.message());
    if (!status.ok()) shadow.outcome = Outcome::kRefused;
    shadows_.push_back(shadow);
    check_pending();
  }
  // S-7, in its own words.
  std::int64_t expires_ns(const Request& request, const QueuePolicy& policy) const {
    std::uint64_t us = policy.default_timeout_us;
    if (us == 0) return kNoDeadline;
    if (policy.allow_timeout_override && request.timeout_us > 0) {
      us = std::min(us, request.timeout_us);
    }
    return clock_.now_ns() + static_cast<std::int64_t>(us) * kUs;
  }
  bool has_room(std::size_t level) const {
    const auto queued = std::count_if(shadows_.begin(), shadows_.end(), [&](const Shadow& s) {
      return s.outcome == Outcome::kQueued && s.level == level;
    });
    const auto own = policy_of(level).max_queue_size;
    return scheduler_->pending() < plan_.queue_capacity && (own == 0 || queued < own);
  }

  void sweep() {
    const std::int64_t next = scheduler_->sweep(clock_.now_ns());
    std::int64_t earliest = kNoDeadline;
    for (const auto& shadow : shadows_) {
      if (shadow.outcome != Outcome::kQueued) continue;
      if (!live(shadow)) fail("left behind what must not run");
      if (expired(shadow) && !delaying(shadow)) fail("left behind what has expired");
      earliest = std::min(
          {earliest, shadow.deadline_ns, expired(shadow) ? kNoDeadline : shadow.expires_ns});
    }
    if (next != earliest) fail("does not know what expires next");
    check_pending();
  }

  void cancel() {
    if (shadows_.empty()) return;
    Shadow& shadow = shadows_[static_cast<std::size_t>(below(std::ssize(shadows_)))];
    if (shadow.outcome != Outcome::kQueued) return;
    shadow.cancelled = slots_.cancel(shadow.request->handle());
    if (!shadow.cancelled) fail("a fresh handle was called stale");
  }

  void finish() {
    if (executing_ == 0) return;
    --executing_;
    scheduler_->finished(0, batch_);
  }

  PollKind poll() {
    batch_.clear();
    batch_.begin(plan_, pool_, clock_);
    const Poll polled = scheduler_->poll(0, clock_.now_ns(), batch_);
    if (polled.kind == PollKind::kBatch) check_batch();
    if (polled.kind == PollKind::kWait) check_wait(polled.wait_until_ns);
    if (polled.kind == PollKind::kStopped && !stopped_) fail("stopped by itself");
    check_pending();
    return polled.kind;
  }

  void reject(Request* request, Status status, FailureReason reason) override {
    Shadow& shadow = of(request);
    request->set_state(RequestState::kDone);
    if (shadow.outcome != Outcome::kQueued) return fail("rejected what was not queued");
    shadow.outcome = Outcome::kRejected;
    if (shadow.cancelled) {
      if (reason != FailureReason::kCanceled) fail("a cancelled one was called otherwise");
    } else if (aborted_) {
      if (reason != FailureReason::kOther) fail("a refused one was called otherwise");
    } else if (reason != FailureReason::kRejected || (!late(shadow) && !expired(shadow))) {
      fail("rejected without a reason: " + status.message());
    } else if (delaying(shadow) && !late(shadow)) {
      fail("rejected what should have been delayed");
    }
  }

  // No slot is used twice, so it stands for one request.
  std::ptrdiff_t place_of(const Request* request) const {
    const auto is_it = [&](const Shadow& s) { return s.request == request; };
    return std::find_if(shadows_.begin(), shadows_.end(), is_it) - shadows_.begin();
  }
  Shadow& of(const Request* request) {
    return shadows_[static_cast<std::size_t>(place_of(request))];
  }
  bool late(const Shadow& s) const { return clock_.now_ns() >= s.deadline_ns; }
  bool expired(const Shadow& s) const { return clock_.now_ns() >= s.expires_ns; }
  bool delaying(const Shadow& s) const {
    return policy_of(s.level).timeout_action == TimeoutAction::kDelay;
  }
  bool live(const Shadow& s) const {
    return s.outcome == Outcome::kQueued && !s.cancelled && !late(s);
  }

  void check_batch() {
    ++executing_;
    if (aborted_) fail("ran after an abort");
    const bool dynamic = plan_.scheduler == SchedulerKind::kDynamic;
    if (batch_.empty() || (!dynamic && batch_.size() > 1)) fail("a batch of the wrong size");
    std::int64_t rows = 0;
    bool any_expired = false;  // of the last one's level
    std::ptrdiff_t last = -1;  // that had not expired
    std::size_t level = 0;
    for (Request* request : batch_.requests()) {
      Shadow& shadow = of(request);
      if (!live(shadow)) fail("ran what is cancelled, late or not queued");
      shadow.outcome = Outcome::kStarted;
      if (shadow.level < level) fail("put a more urgent one last");
      if (shadow.level > level) {
        any_expired = false;
        last = -1;
      }
      level = shadow.level;
      if (expired(shadow) && !delaying(shadow)) fail("ran what had expired");
      any_expired = any_expired || expired(shadow);
      rows += std::max<std::int64_t>(shadow.rows, 1);
      if (!plan_.inputs[0].allow_ragged_batch && shadow.columns != of(batch_.requests()[0]).columns)
        fail("batched what does not fit together");
      if (expired(shadow)) continue;
      if (any_expired) fail("ran an expired one before one that is not");
      const std::ptrdiff_t place = place_of(request);
      if (place < last) fail("turned the order round");
      last = place;
    }
    if (rows > std::max<std::int64_t>(plan_.max_batch_size, 1)) fail("batch over its limit");
    check_order(level, last, any_expired);
  }
  // Nobody older was passed over, but for the expired ones of DELAY, who go last.
  void check_order(std::size_t level, std::ptrdiff_t last, bool any_expired) {
    for (std::ptrdiff_t i = 0; i < std::ssize(shadows_); ++i) {
      const Shadow& other = shadows_[static_cast<std::size_t>(i)];
      if (!live(other) || other.level > level) continue;
      if (other.level < level) fail("passed over a more urgent one");
      if (expired(other)) continue;
      if (any_expired) fail("ran an expired one before one that is not");
      if (i < last) fail("passed over an older one");
    }
  }

  void check_wait(std::int64_t until_ns) {
    if (until_ns <= clock_.now_ns()) fail("waits for what is past");
    if (until_ns != kNoDeadline) return;
    for (const auto& shadow : shadows_) {
      if (live(shadow)) return fail("sleeps for ever over a waiting request");
    }
  }
  void check_pending() {
    const auto queued = std::count_if(shadows_.begin(), shadows_.end(), [](const Shadow& s) {
      return s.outcome == Outcome::kQueued;
    });
    if (scheduler_->pending() != static_cast<std::uint64_t>(queued)) fail("miscounts what waits");
  }

  void end() {
    stopped_ = true;
    aborted_ = chance(40);
    aborted_ ? scheduler_->abort() : scheduler_->stop();
    submit();
    for (int i = 0; i < 4 * kSteps && error_.empty(); ++i) {
      if (poll() == PollKind::kStopped && executing_ == 0) return check_pending();
      clock_.advance_ns(10 * kUs);
      finish();
    }
    fail("does not come to its end");
  }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  std::mt19937_64 random_;
  RequestPool& slots_;
  BufferPool& pool_;
  const ModelPlan plan_;
  ManualClock clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Shadow> shadows_;  // in the order of submission
  Batch batch_;
  int executing_ = 0;
  bool stopped_ = false;
  bool aborted_ = false;
  std::string error_;
};

TEST(SchedulerSimulation, InvariantsHoldWhateverHappens) {
  BufferPool pool(make_page_allocator(), {});
  testing::play_seeds(kSeeds, [&](std::uint64_t seed) {
    RequestPool slots(2 * kSteps);
    const std::string error = Simulation(seed, slots, pool).run();
    if (!error.empty()) return error;
    if (slots.acquired() != slots.released()) return std::string("slots are lost");
    return std::string(pool.stats().in_use_bytes == 0 ? "" : "leases are lost");
  });
}

}  // namespace
}  // namespace penstock
