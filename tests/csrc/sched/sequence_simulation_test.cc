// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Random sequence models and random days in their life, each from a seed, on a manual clock and one
// thread. A ledger of its own says what must hold; what breaks it names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sched/scheduler.h"
#include "support/requests.h"
#include "support/seeds.h"
#include "support/sequence_plans.h"

namespace penstock {
namespace {

constexpr int kSeeds = 10'000;
constexpr int kSteps = 70;
constexpr int kIds = 6;
constexpr std::int64_t kUs = 1000;

enum class Outcome { kQueued, kRefused, kRejected, kExecuting, kAnswered };

// One life of a sequence: from the START that made its id known to its last request.
struct Life {
  std::uint64_t id = 0;
  bool ended = false;   // END was taken, or it has an id of its own
  bool broken = false;  // cancelled, expired, or aborted
  std::int64_t last_ns = 0;
  std::pair<std::uint32_t, std::size_t> place{UINT32_MAX, 0};  // instance and row, once it ran
  float state = 0;
  std::vector<std::size_t> requests;  // in the ledger
};

struct Entry {
  Request* request = nullptr;
  std::size_t life = 0;
  float serial = 0;
  bool start = false;
  bool resumed = false;  // was executing: it goes on also when its followers were turned away
  bool cancelled = false;
  std::int64_t queued_ns = 0;
  std::int64_t deadline_ns = kNoDeadline;
  Outcome outcome = Outcome::kQueued;
};

class SequenceSimulation final : public RejectSink {
 public:
  SequenceSimulation(std::uint64_t seed, RequestPool& slots, BufferPool& pool)
      : random_(seed), slots_(slots), pool_(pool), plan_(random_plan()) {
    scheduler_ = make_scheduler(plan_, clock_, *this);
    batches_ = std::vector<Batch>(plan_.instance_count);
  }
  ~SequenceSimulation() override {
    for (auto& batch : batches_) batch.clear();
    for (auto& entry : ledger_) {
      if (entry.request->state() == RequestState::kExecuting) {
        entry.request->set_state(RequestState::kDone);
      }
      if (entry.outcome != Outcome::kQueued) slots_.release(entry.request);
    }
  }
  std::string run() {
    error_ = plan_.check().message();
    for (int i = 0; i < kSteps && error_.empty(); ++i) step();
    if (error_.empty()) end();
    return error_;
  }

 private:
  std::int64_t below(std::int64_t n) {
    return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_);
  }
  bool chance(int percent) { return below(100) < percent; }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  ModelPlan random_plan() {
    const bool direct = chance(50);
    ModelPlan plan =
        testing::sequence_plan(direct ? SchedulerKind::kDirect : SchedulerKind::kOldest, below(5));
    plan.inputs[0].dims = Shape{-1};
    testing::add_all_controls(plan);
    testing::add_state(plan, "S", Shape{1}, {0});
    plan.instance_count = static_cast<std::uint32_t>(1 + below(3));
    plan.queue_capacity = static_cast<std::uint32_t>(1 + below(24));
    SequenceBatching& sequence = plan.sequence;
    sequence.max_idle_us = static_cast<std::uint64_t>(20 + below(200));
    sequence.iterative = chance(30);
    if (chance(50)) sequence.max_queue_delay_us = static_cast<std::uint64_t>(1 + below(40));
    if (chance(50)) sequence.minimum_slot_utilization = static_cast<double>(1 + below(4)) / 4;
    if (chance(70)) sequence.max_candidate_sequences = static_cast<std::uint32_t>(1 + below(6));
    for (std::int64_t size = 1; size <= plan.max_batch_size; ++size) {
      if (chance(25)) sequence.preferred_batch_sizes.push_back(size);
    }
    return plan;
  }
  bool direct() const { return plan_.scheduler == SchedulerKind::kDirect; }
  std::size_t slot_count() const {
    const auto candidates = plan_.sequence.max_candidate_sequences;
    if (!direct() && candidates > 0) return candidates;
    return static_cast<std::size_t>(std::max<std::int64_t>(plan_.max_batch_size, 1));
  }

  void step() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return submit();
      case 4:
        return chance(30) ? cancel() : (void)0;
      case 5:
        return clock_.advance_ns(below(chance(10) ? 300 : 15) * kUs);
      case 6:
        return sweep();
      case 7:
        return finish(any_instance());
      default:
        return (void)poll(any_instance());
    }
  }
  std::uint32_t any_instance() { return static_cast<std::uint32_t>(below(plan_.instance_count)); }

  // ---- clients ----
  bool silent_for_long(const Life& life) const {
    return clock_.now_ns() >=
           life.last_ns + static_cast<std::int64_t>(plan_.sequence.max_idle_us) * kUs;
  }
  Life* life_of(std::uint64_t id) {
    const auto found = current_.find(id);
    if (found == current_.end()) return nullptr;
    Life& life = lives_[found->second];
    return life.ended || life.broken ? nullptr : &life;
  }

  void submit() {
    sweep();  // so that what time does is done
    const auto id = static_cast<std::uint64_t>(below(kIds + 1));
    Life* life = life_of(id);
    // After a long silence only the scheduler knows whether it was in the backlog: ask without
    // START.
    const bool ask = life != nullptr && silent_for_long(*life);
    std::uint32_t flags = 0;
    if (!ask && chance(life == nullptr ? 85 : 10)) flags |= kSequenceStart;
    if (chance(20)) flags |= kSequenceEnd;
    Entry entry;
    entry.request = make_request(id, flags, entry);
    const bool room = scheduler_->pending() < plan_.queue_capacity && !stopped_;
    const bool own = id == 0 && plan_.sequence.iterative;
    const bool known = life != nullptr || own || (id != 0 && (flags & kSequenceStart) != 0);
    const Status status = scheduler_->submit(*entry.request);
    if (status.ok() && !(room && known)) fail("took what it must refuse");
    if (!status.ok() && room && known && !ask) fail("submit said " + status.message());
    if (!status.ok()) {
      if (ask && room) life->ended = true;  // it had been idle
      entry.outcome = Outcome::kRefused;
    } else {
      entry.life = own || life == nullptr ? new_life(id, own) : current_[id];
      enter(entry, flags);
    }
    ledger_.push_back(entry);
    check_pending();
  }
  Request* make_request(std::uint64_t id, std::uint32_t flags, Entry& entry) {
    Request* request = slots_.acquire();
    RequestTestPeer::bind(*request, plan_);
    InputTensor* input = request->add_input("IN");
    const std::int64_t columns = chance(90) ? 1 : 2;
    input->view.shape = plan_.batching() ? Shape{1, columns} : Shape{columns};
    input->lease = pool_.acquire(64);
    request->correlation_id = id;
    request->flags = flags;
    if (chance(15)) entry.deadline_ns = clock_.now_ns() + below(80) * kUs;
    if (chance(30)) request->timeout_us = static_cast<std::uint64_t>(1 + below(80));
    request->deadline_ns = entry.deadline_ns;
    entry.serial = static_cast<float>(ledger_.size() + 1);
    entry.start = (flags & kSequenceStart) != 0;
    entry.queued_ns = clock_.now_ns();
    return request;
  }
  std::size_t new_life(std::uint64_t id, bool own) {
    lives_.emplace_back();
    lives_.back().id = id;
    lives_.back().ended = own;
    if (!own) current_[id] = lives_.size() - 1;
    return lives_.size() - 1;
  }
  void enter(Entry& entry, std::uint32_t flags) {
    Life& life = lives_[entry.life];
    if (life.requests.empty()) entry.start = true;  // also of those with ids of their own
    life.requests.push_back(ledger_.size());
    life.last_ns = clock_.now_ns();
    if ((flags & kSequenceEnd) != 0) life.ended = true;
  }
  void cancel() {
    if (ledger_.empty()) return;
    Entry& entry = ledger_[static_cast<std::size_t>(below(std::ssize(ledger_)))];
    if (entry.outcome != Outcome::kQueued) return;
    entry.cancelled = slots_.cancel(entry.request->handle());
    if (!entry.cancelled) fail("a fresh handle was called stale");
  }

  Entry& of(const Request* request) {
    return *std::find_if(ledger_.begin(), ledger_.end(),
                         [&](const Entry& e) { return e.request == request; });
  }
  bool late(const Entry& e) const { return clock_.now_ns() >= e.deadline_ns; }
  // S-24: the smallest time-out of those that wait, as long as none has run.
  bool timed_out(const Life& life) const {
    return std::any_of(life.requests.begin(), life.requests.end(), [&](std::size_t i) {
      const Request& r = *ledger_[i].request;
      const std::int64_t end = ledger_[i].queued_ns + static_cast<std::int64_t>(r.timeout_us) * kUs;
      return r.timeout_us > 0 && clock_.now_ns() >= end;
    });
  }

  void reject(Request* request, Status status, FailureReason reason) override {
    Entry& entry = of(request);
    Life& life = lives_[entry.life];
    request->set_state(RequestState::kDone);
    if (entry.outcome != Outcome::kQueued) return fail("rejected what was not queued");
    const auto any = [&](auto is) {
      return std::any_of(life.requests.begin(), life.requests.end(),
                         [&](std::size_t i) { return is(ledger_[i]); });
    };
    const bool cancelled = any([](const Entry& e) { return e.cancelled; });
    const bool expired = any([&](const Entry& e) { return late(e); }) ||
                         (life.place.first == UINT32_MAX && timed_out(life));
    if (reason == FailureReason::kCanceled && !cancelled) fail("cancelled for no reason");
    if (reason == FailureReason::kRejected && !expired) fail("rejected: " + status.message());
    if (reason == FailureReason::kOther && !aborted_) fail("refused: " + status.message());
    entry.outcome = Outcome::kRejected;
    life.broken = true;
  }
  void sweep() {
    const std::int64_t next = scheduler_->sweep(clock_.now_ns());
    if (next <= clock_.now_ns()) fail("the next sweep is due already");
    for (const Entry& e : ledger_) {
      if (e.outcome != Outcome::kQueued) continue;
      if (e.cancelled || late(e)) fail("left behind what must not run");
      if (lives_[e.life].broken && !e.resumed) fail("left behind a request of a broken sequence");
      if (e.deadline_ns < next) fail("does not know what expires next");
    }
    check_pending();
  }

  // ---- instances ----
  PollKind poll(std::uint32_t instance) {
    Batch& batch = batches_[instance];
    if (!batch.empty()) return PollKind::kBatch;  // it executes
    batch.begin(plan_, pool_, clock_);
    const Poll polled = scheduler_->poll(instance, clock_.now_ns(), batch);
    if (polled.kind == PollKind::kBatch) check_batch(instance, batch);
    if (polled.kind == PollKind::kWait) check_wait(instance, polled.wait_until_ns);
    if (polled.kind == PollKind::kStopped && !stopped_) fail("stopped by itself");
    check_pending();
    return polled.kind;
  }
  void check_batch(std::uint32_t instance, Batch& batch) {
    if (aborted_) fail("ran after an abort");
    if (batch.empty() || batch.requests().empty()) return fail("a batch without a request");
    const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(plan_.max_batch_size, 1));
    if (batch.size() > limit) fail("batch over its limit");
    std::set<std::size_t> seen;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      check_controls(batch, row);
      if (batch.padding(row)) {
        if (!direct()) fail("oldest pads");
        continue;
      }
      Entry& entry = of(&batch.request(row));
      if (!seen.insert(entry.life).second) fail("two rows of one sequence");
      check_row(entry, instance, row);
      check_state(batch, row, entry);
      entry.outcome = Outcome::kExecuting;
      entry.request->set_state(RequestState::kExecuting);
      if (!(entry.request->inputs[0].view.shape == batch.request(0).inputs[0].view.shape)) {
        fail("batched what does not fit together");
      }
    }
  }
  void check_row(Entry& entry, std::uint32_t instance, std::size_t row) {
    Life& life = lives_[entry.life];
    if (entry.outcome != Outcome::kQueued) fail("ran what was not queued");
    if (entry.cancelled || late(entry) || (life.broken && !entry.resumed)) {
      fail("ran what must not run");
    }
    for (const std::size_t i : life.requests) {
      if (ledger_[i].outcome == Outcome::kExecuting) fail("two of a sequence at once");
      if (ledger_[i].outcome == Outcome::kQueued && ledger_[i].serial < entry.serial) {
        fail("turned the order of a sequence round");
      }
    }
    const std::pair place{instance, direct() ? row : 0};
    if (life.place.first == UINT32_MAX) {
      life.place = place;
      check_holders(entry.life, place);
    } else if (life.place != place) {
      fail("a sequence left its slot");
    }
  }
  bool over(const Life& life) const {
    const bool waits = std::any_of(life.requests.begin(), life.requests.end(), [&](std::size_t i) {
      return ledger_[i].outcome == Outcome::kQueued || ledger_[i].outcome == Outcome::kExecuting;
    });
    return !waits && (life.ended || life.broken || silent_for_long(life));
  }
  void check_holders(std::size_t newcomer, std::pair<std::uint32_t, std::size_t> place) {
    std::size_t holders = 0;
    for (std::size_t i = 0; i < lives_.size(); ++i) {
      if (i != newcomer && lives_[i].place == place && !over(lives_[i])) ++holders;
    }
    if (holders >= (direct() ? 1 : slot_count())) fail("a slot has two sequences");
  }
  template <typename T>
  T value(Batch& batch, std::size_t row, const char* input) {
    TensorView view;
    T number{};
    const auto spec = static_cast<std::uint32_t>(plan_.find_model_input(input));
    if (!batch.input(row, spec, view) || view.size_bytes != sizeof(T)) {
      fail(std::string("no input ") + input);
    } else {
      std::memcpy(&number, view.data, sizeof(T));
    }
    return number;
  }
  void check_controls(Batch& batch, std::size_t row) {
    const bool ready = !batch.padding(row);
    const Request& request = batch.request(row);
    const bool start = ready && (request.flags & kSequenceStart) != 0;
    const bool end = ready && (request.flags & kSequenceEnd) != 0;
    const std::uint64_t id = ready ? request.correlation_id : 0;
    if (value<std::int32_t>(batch, row, "READY") != ready) fail("READY is wrong");
    if (value<std::int32_t>(batch, row, "START") != start) fail("START is wrong");
    if (value<std::int32_t>(batch, row, "END") != end) fail("END is wrong");
    if (value<std::uint64_t>(batch, row, "CORRID") != id) fail("CORRID is wrong");
  }
  void check_state(Batch& batch, std::size_t row, Entry& entry) {
    Life& life = lives_[entry.life];
    if (entry.start) life.state = 0;
    if (value<float>(batch, row, "S") != life.state) fail("a sequence has another's state");
  }
  void check_wait(std::uint32_t instance, std::int64_t until_ns) {
    if (until_ns <= clock_.now_ns()) fail("waits for what is past");
    if (until_ns != kNoDeadline) return;
    for (const Entry& e : ledger_) {
      if (e.outcome == Outcome::kQueued && lives_[e.life].place.first == instance) {
        fail("sleeps for ever over a waiting request");
      }
    }
  }

  // The next state is the request's serial number.
  void finish(std::uint32_t instance) {
    Batch& batch = batches_[instance];
    if (batch.empty()) return;
    std::vector<float> next(batch.size());
    for (std::size_t row = 0; row < batch.size(); ++row) {
      next[row] = batch.padding(row) ? -1 : of(&batch.request(row)).serial;
    }
    const bool gives = chance(85);
    if (gives) scatter(batch, next);
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!batch.padding(row)) decide(batch, row, gives);
    }
    scheduler_->finished(instance, batch);
    for (Request* request : batch.requests()) {
      request->set_state(RequestState::kDone);
      of(request).outcome = Outcome::kAnswered;
    }
    batch.clear();
    check_pending();
  }
  void scatter(Batch& batch, const std::vector<float>& next) {
    const BufferLease lease = testing::bytes(pool_, next.data(), next.size() * sizeof(float));
    TensorView view;
    view.type = DataType::kFp32;
    view.shape = plan_.batching() ? Shape{std::ssize(next), 1} : Shape{1};
    view.data = lease->data;
    view.size_bytes = next.size() * sizeof(float);
    const auto spec = static_cast<std::uint32_t>(plan_.find_model_output("S"));
    if (const Status s = batch.scatter(spec, view, lease); !s.ok()) fail(s.message());
  }
  void decide(Batch& batch, std::size_t row, bool gives) {
    Entry& entry = of(&batch.request(row));
    if (plan_.sequence.iterative && chance(40)) {
      if (!batch.reschedule(row).ok()) fail("an iterative model may not reschedule");
      entry.outcome = Outcome::kQueued;
      entry.start = false;
      entry.resumed = true;
      if (gives) lives_[entry.life].state = entry.serial;
    } else if (chance(10)) {
      batch.fail(row, internal_error("no"));
    } else if (gives) {
      lives_[entry.life].state = entry.serial;
    }
  }

  void check_pending() {
    const auto queued = std::count_if(ledger_.begin(), ledger_.end(),
                                      [](const Entry& e) { return e.outcome == Outcome::kQueued; });
    if (scheduler_->pending() != static_cast<std::uint64_t>(queued)) fail("miscounts what waits");
  }
  // Everybody goes home: after a stop, what waits is still served; after an abort, turned away.
  void end() {
    stopped_ = true;
    aborted_ = chance(40);
    aborted_ ? scheduler_->abort() : scheduler_->stop();
    submit();
    for (int i = 0; i < 8 * kSteps && error_.empty(); ++i) {
      bool busy = false;
      for (std::uint32_t instance = 0; instance < plan_.instance_count; ++instance) {
        busy = poll(instance) != PollKind::kStopped || busy;
        finish(instance);
      }
      if (!busy) return check_pending();
      clock_.advance_ns(10 * kUs);
    }
    fail("does not come to its end");
  }

  std::mt19937_64 random_;
  RequestPool& slots_;
  BufferPool& pool_;
  const ModelPlan plan_;
  ManualClock clock_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Entry> ledger_;  // in the order of submission
  std::vector<Life> lives_;
  std::map<std::uint64_t, std::size_t> current_;  // the latest life of an id
  std::vector<Batch> batches_;                    // by instance
  bool stopped_ = false;
  bool aborted_ = false;
  std::string error_;
};

TEST(SequenceSimulation, InvariantsHoldWhateverHappens) {
  BufferPool pool(make_page_allocator(), {});
  testing::play_seeds(kSeeds, [&](std::uint64_t seed) {
    RequestPool slots(2 * kSteps);
    const std::string error = SequenceSimulation(seed, slots, pool).run();
    if (!error.empty()) return error;
    if (slots.acquired() != slots.released()) return std::string("slots are lost");
    return std::string(pool.stats().in_use_bytes == 0 ? "" : "leases are lost");
  });
}

}  // namespace
}  // namespace penstock
