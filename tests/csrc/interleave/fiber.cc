// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "interleave/fiber.h"

#include <cstdint>
#include <utility>

namespace penstock::interleave {

Fiber::Fiber() = default;

Fiber::Fiber(std::size_t stack_bytes)
    : stack_(std::make_unique<std::byte[]>(stack_bytes)), stack_bytes_(stack_bytes) {}

// makecontext passes ints only.
void Fiber::enter(unsigned high, unsigned low) {
  auto* fiber = reinterpret_cast<Fiber*>((std::uintptr_t{high} << 32) | low);
  fiber->loop();
}

void Fiber::loop() {
  for (;;) body_();
}

void Fiber::end(Fiber& next) {
  idle_ = true;
  next.resume(*this);
}

void Fiber::begin(void (*body)()) {
  body_ = body;
  if (std::exchange(idle_, false)) return;
  fresh_ = true;
  getcontext(&start_);
  start_.uc_stack.ss_sp = stack_.get();
  start_.uc_stack.ss_size = stack_bytes_;
  start_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&start_, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

void Fiber::resume(Fiber& from) {
  if (_setjmp(from.place_) != 0) return;
  if (fresh_) {
    fresh_ = false;
    setcontext(&start_);
  }
  _longjmp(place_, 1);
}

}  // namespace penstock::interleave
