// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "interleave/explorer.h"

#include <array>
#include <bit>
#include <sstream>
#include <stdexcept>

#include "interleave/fiber.h"
#include "interleave/futex.h"

namespace penstock::interleave {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr std::size_t kMostSteps = 4000;
using Threads = unsigned;  // a bit each

constexpr Threads bit(std::size_t thread) { return Threads{1} << thread; }

std::size_t first_of(Threads open, Threads preferred) {
  const Threads best = (open & preferred) != 0 ? open & preferred : open;
  return static_cast<std::size_t>(std::countr_zero(best));
}

class Explorer {
 public:
  Explorer();
  Outcome explore(const Case& what, std::uint64_t most_executions, bool every_order);

  void require(bool holds, const char* what);
  void before(const Step& step, bool (*ready)(void*), void* argument);
  std::size_t choose(std::size_t n);
  void tell(const Event& event) { told_.push_back({self_, event}); }

  Memory memory_;
  std::size_t self_ = 0;

 private:
  struct Thread {
    Fiber fiber{kStackBytes};
    const std::function<void()>* body = nullptr;
    bool done = false;
    Step step;
    bool (*ready)(void*) = nullptr;
    void* argument = nullptr;
  };
  // Who goes next, or which of several values.
  struct Decision {
    std::size_t chosen = 0;
    std::size_t choices = 0;  // of values; 0: who goes next
    Threads able = 0;
    Threads writers = 0;  // of these; they are tried first, so that loads need not be
    Threads asleep = 0;
    Threads tried = 0;
  };

  void execute(const Case& what);
  static void run_thread();
  void start_threads(Execution& run);
  [[nodiscard]] Threads able_threads();
  [[nodiscard]] std::size_t pick(Threads able);
  [[nodiscard]] bool matters(std::size_t thread, std::size_t tried) const;
  void give_way();
  [[nodiscard]] bool stopped();
  [[nodiscard]] bool next_decisions();
  [[nodiscard]] std::string story() const;

  Fiber main_;
  std::array<std::unique_ptr<Thread>, kThreads> threads_;
  std::size_t count_ = 0;  // threads, 1..count_
  bool starting_ = false;
  bool every_order_ = false;
  std::vector<Decision> decisions_;
  std::size_t depth_ = 0;
  Threads asleep_ = 0;
  bool seen_before_ = false;  // the rest of this execution was part of another
  std::size_t steps_ = 0;
  std::string failure_;
  std::vector<std::pair<std::size_t, Event>> told_;
};

Explorer& explorer() {
  static Explorer instance;
  return instance;
}

Explorer::Explorer() {
  for (auto& thread : threads_) thread = std::make_unique<Thread>();
}

Outcome Explorer::explore(const Case& what, std::uint64_t most_executions, bool every_order) {
  every_order_ = every_order;
  Outcome outcome;
  decisions_.clear();
  failure_.clear();
  while (outcome.executions < most_executions) {
    ++outcome.executions;
    execute(what);
    if (!failure_.empty()) {
      outcome.failure = failure_ + "\n" + story();
      return outcome;
    }
    if (seen_before_) ++outcome.redundant;
    if (!next_decisions()) {
      outcome.complete = true;
      return outcome;
    }
  }
  return outcome;
}

void Explorer::execute(const Case& what) {
  memory_.clear();
  forget_sleepers();
  told_.clear();
  depth_ = 0;
  asleep_ = 0;
  steps_ = 0;
  seen_before_ = false;
  self_ = 0;
  auto run = std::make_unique<Execution>();
  what.set_up(*run);
  start_threads(*run);
  if (const Threads able = able_threads(); able != 0 && failure_.empty()) {
    self_ = pick(able);
    threads_[self_]->fiber.resume(main_);
  }
  self_ = 0;
  for (std::size_t i = 1; i <= count_ && failure_.empty(); ++i) {
    if (!threads_[i]->done)
      failure_ = "nobody can go on, and thread " + std::to_string(i) + " waits";
  }
  if (!failure_.empty()) return (void)run.release();  // stacks that are left as they are use it
  for (std::size_t i = 1; i <= count_; ++i) memory_.pass_on(i, 0);
  for (const auto& end : run->ends) end();
  run.reset();
  if (failure_.empty() && memory_.error() != nullptr) failure_ = memory_.error();
}

// Up to the first step of each: what lies before it nobody can notice.
void Explorer::start_threads(Execution& run) {
  count_ = run.threads.size();
  if (count_ >= kThreads) throw std::logic_error("a scenario has too many threads");
  starting_ = true;
  for (std::size_t i = 1; i <= count_; ++i) {
    memory_.pass_on(0, i);
    Thread& thread = *threads_[i];
    thread.body = &run.threads[i - 1];
    thread.done = false;
    thread.fiber.begin(&Explorer::run_thread);
    self_ = i;
    thread.fiber.resume(main_);
  }
  starting_ = false;
}

void Explorer::run_thread() {
  Explorer& e = explorer();
  Thread& thread = *e.threads_[e.self_];
  (*thread.body)();
  thread.done = true;
  e.give_way();
}

bool Explorer::stopped() {
  if (failure_.empty() && memory_.error() != nullptr) failure_ = memory_.error();
  if (failure_.empty() && steps_ > kMostSteps) failure_ = "does not come to an end";
  return !failure_.empty();
}

void Explorer::require(bool holds, const char* what) {
  if (holds) return;
  if (failure_.empty()) failure_ = what;
  if (self_ != 0) give_way();
}

void Explorer::before(const Step& step, bool (*ready)(void*), void* argument) {
  if (self_ == 0) return;
  Thread& thread = *threads_[self_];
  thread.step = step;
  thread.ready = ready;
  thread.argument = argument;
  ++steps_;
  give_way();
}

Threads Explorer::able_threads() {
  Threads able = 0;
  for (std::size_t i = 1; i <= count_; ++i) {
    const Thread& thread = *threads_[i];
    if (!thread.done && (thread.ready == nullptr || thread.ready(thread.argument))) able |= bit(i);
  }
  return able;
}

// The running thread has said what it does next, or is done, or has failed and never comes back.
void Explorer::give_way() {
  Thread& from = *threads_[self_];
  const Threads able = starting_ || stopped() ? 0 : able_threads();
  const std::size_t next = able == 0 ? 0 : pick(able);
  if (next == self_) return;
  self_ = next;
  Fiber& other = next == 0 ? main_ : threads_[next]->fiber;
  from.done ? from.fiber.end(other) : other.resume(from.fiber);
}

// Whether a step that was tried first leaves something to try when this thread's goes first. A load
// leaves nothing: had it come behind the other one, it could have read the same as now.
bool Explorer::matters(std::size_t thread, std::size_t tried) const {
  const Step& step = threads_[thread]->step;
  if (step.place != threads_[tried]->step.place) return false;
  return step.writes || !memory_.may_repeat(thread, step.place);
}

std::size_t Explorer::pick(Threads able) {
  if (!seen_before_ && depth_ == decisions_.size()) {
    const Threads open = able & ~asleep_;
    if (open == 0) {
      seen_before_ = true;
    } else {
      Decision decision;
      for (std::size_t i = 1; i <= count_; ++i) {
        if (threads_[i]->step.writes) decision.writers |= bit(i);
      }
      decision.chosen = first_of(open, decision.writers);
      decision.able = able;
      decision.asleep = asleep_;
      decisions_.push_back(decision);
    }
  }
  if (seen_before_) {  // to its end, in turns so that nobody waits for ever
    const Threads others = able & ~((bit(self_) << 1) - 1);
    return static_cast<std::size_t>(std::countr_zero(others != 0 ? others : able));
  }
  const Decision& decision = decisions_[depth_++];
  asleep_ = 0;
  for (std::size_t i = 1; i <= count_ && !every_order_; ++i) {
    const bool before = ((decision.asleep | decision.tried) & bit(i)) != 0;
    if (before && i != decision.chosen && !matters(decision.chosen, i)) {
      asleep_ |= bit(i);
    }
  }
  return decision.chosen;
}

std::size_t Explorer::choose(std::size_t n) {
  if (n == 1 || seen_before_) return 0;
  if (depth_ == decisions_.size()) {
    Decision decision;
    decision.choices = n;
    decisions_.push_back(decision);
  }
  return decisions_[depth_++].chosen;
}

bool Explorer::next_decisions() {
  while (!decisions_.empty()) {
    Decision& last = decisions_.back();
    if (last.choices != 0) {
      if (++last.chosen < last.choices) return true;
    } else {
      last.tried |= bit(last.chosen);
      const Threads open = last.able & ~last.asleep & ~last.tried;
      if (open != 0) {
        last.chosen = first_of(open, last.writers);
        return true;
      }
    }
    decisions_.pop_back();
  }
  return false;
}

std::string Explorer::story() const {
  static constexpr const char* kOrders[] = {"relaxed", "consume", "acquire",
                                            "release", "acq_rel", "seq_cst"};
  std::ostringstream text;
  for (const auto& [thread, event] : told_) {
    text << "  thread " << thread << ": " << event.what << " #" << event.place << " = "
         << event.value << (event.stale ? " (stale)" : "") << ", "
         << kOrders[static_cast<int>(event.order)] << ", line " << event.line << "\n";
  }
  return text.str();
}

}  // namespace

Outcome explore(const Case& what, std::uint64_t most_executions, bool every_order) {
  return explorer().explore(what, most_executions, every_order);
}
void require(bool holds, const char* what) { explorer().require(holds, what); }
Memory& memory() { return explorer().memory_; }
std::size_t self() { return explorer().self_; }
void before(const Step& step, bool (*ready)(void*), void* argument) {
  explorer().before(step, ready, argument);
}
std::size_t choose(std::size_t n) { return explorer().choose(n); }
void tell(const Event& event) { explorer().tell(event); }

}  // namespace penstock::interleave
