// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// explore(): runs a few threads in every order that makes a difference, with every value that the
// memory model lets them read, until something goes wrong.
//
// A scenario is run from its start again and again; each time the last decision that has an untried
// alternative is made otherwise (depth first). Sleep sets leave out the orders that only swap steps
// which cannot notice each other (Godefroid): one order a trace is run to its end. Wrong is: what
// Memory reports, an unmet require(), nobody who can go on while somebody is not done (a deadlock,
// a lost wake-up), and no end.
//
// Thread safety: none. Scenarios call the free functions below only while they are explored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "interleave/memory.h"

namespace penstock::interleave {

// One execution's objects and threads.
class Execution {
 public:
  // Lives until the execution is over.
  template <typename T, typename... Args>
  T& keep(Args&&... args) {
    auto kept = std::make_shared<T>(std::forward<Args>(args)...);
    T& object = *kept;
    kept_.push_back(std::move(kept));
    return object;
  }
  void thread(std::function<void()> body) { threads.push_back(std::move(body)); }
  // When all threads are done, and knowing all that they did.
  void end(std::function<void()> body) { ends.push_back(std::move(body)); }

  std::vector<std::function<void()>> threads;  // kThreads - 1 at most
  std::vector<std::function<void()>> ends;

 private:
  std::vector<std::shared_ptr<void>> kept_;
};

struct Case {
  const char* name;
  std::function<void(Execution&)> set_up;
  bool large = false;  // takes minutes
};

struct Outcome {
  std::string failure;  // empty: none
  std::uint64_t executions = 0;
  std::uint64_t redundant = 0;  // of these: found on the way to be part of another
  bool complete = false;        // there is nothing left to try
};

// `every_order`: also those that make no difference, to prove that they make none.
[[nodiscard]] Outcome explore(const Case& what, std::uint64_t most_executions,
                              bool every_order = false);

// ---- for what runs inside ----

// False ends the exploration.
void require(bool holds, const char* what);

// What a step touches, so that steps which cannot notice each other are not tried both ways round.
struct Step {
  Place place = 0;
  bool writes = false;  // or may
};

// What an execution does to be told to the reader of a failure.
struct Event {
  const char* what;
  Place place;
  std::uint64_t value;
  bool stale;
  std::memory_order order;
  unsigned line;
};

[[nodiscard]] Memory& memory();
// The running thread.
[[nodiscard]] std::size_t self();
// The running thread is about to do this; the others may go first. `ready` (may be null): it cannot
// before that is true.
void before(const Step& step, bool (*ready)(void*) = nullptr, void* argument = nullptr);
// One of 0..n-1, all in turn.
[[nodiscard]] std::size_t choose(std::size_t n);
void tell(const Event& event);

}  // namespace penstock::interleave
