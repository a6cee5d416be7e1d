// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <cstdint>
#include <vector>

#include "interleave/atom.h"
#include "interleave/cases.h"
#include "sync/tagged_stack.h"

namespace penstock::interleave {
namespace {

constexpr std::uint32_t kNone = TaggedStack<Atom>::kNone;

// Slots that are one thread's at a time: what it writes there nobody else may see meanwhile.
struct Slots {
  explicit Slots(std::uint32_t count) : links(count), contents(count) {
    for (std::uint32_t i = 0; i < count; ++i) push(i);
  }
  void push(std::uint32_t number) {
    stack.push(
        number, [this](std::uint32_t i) -> auto& { return links[i]; });
  }
  std::uint32_t pop() {
    const std::uint32_t number = stack.pop([this](std::uint32_t i) -> auto& { return links[i]; });
    if (number == kNone) return kNone;
    require(number < contents.size(), "a number that nobody pushed");
    contents[number].set(contents[number].get() + 1);
    return number;
  }
  // Every slot is there once.
  void check() {
    std::vector<bool> there(contents.size(), false);
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const std::uint32_t number = pop();
      require(number != kNone, "a slot is lost");
      if (number == kNone) return;
      require(!there[number], "a slot is there twice");
      there[number] = true;
    }
    require(pop() == kNone, "a slot too many");
  }

  TaggedStack<Atom> stack;
  std::vector<Atom<std::uint32_t>> links;
  std::vector<Plain<std::uint32_t>> contents;
};

void as_many_as_threads(Execution& run, std::uint32_t count) {
  auto& slots = run.keep<Slots>(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    run.thread([&slots] {
      const std::uint32_t number = slots.pop();
      require(number != kNone, "empty when it was not");
      slots.push(number);
    });
  }
  run.end([&slots] { slots.check(); });
}

// One looks at the head and its next while the other takes both and brings the head back.
void what_left_and_came_back(Execution& run) {
  auto& slots = run.keep<Slots>(3);
  run.thread([&slots] {
    const std::uint32_t number = slots.pop();
    require(number != kNone, "empty when it was not");
    slots.push(number);
  });
  run.thread([&slots] {
    const std::uint32_t first = slots.pop();
    const std::uint32_t second = slots.pop();
    slots.push(first);
    slots.push(second);
  });
  run.end([&slots] { slots.check(); });
}

void three_take(Execution& run) {
  auto& slots = run.keep<Slots>(3);
  for (int i = 0; i < 3; ++i) {
    run.thread([&slots] { require(slots.pop() != kNone, "empty when it was not"); });
  }
  run.end([&slots] { require(slots.pop() == kNone, "a slot too many"); });
}

void handed_over(Execution& run) {
  auto& slots = run.keep<Slots>(1);
  const std::uint32_t only = slots.pop();
  run.thread([&slots, only] { slots.push(only); });
  for (int i = 0; i < 2; ++i) {
    run.thread([&slots] {
      const std::uint32_t number = slots.pop();
      if (number != kNone) slots.push(number);
    });
  }
  run.end([&slots] { slots.check(); });
}

}  // namespace

std::vector<Case> tagged_stack_cases() {
  const auto two = [](Execution& run) { as_many_as_threads(run, 2); };
  const auto three = [](Execution& run) { as_many_as_threads(run, 3); };
  return {{"stack: two slots for two", two},
          {"stack: three slots for three", three, true},
          {"stack: what left and came back", what_left_and_came_back},
          {"stack: three take", three_take},
          {"stack: handed over", handed_over}};
}

}  // namespace penstock::interleave
