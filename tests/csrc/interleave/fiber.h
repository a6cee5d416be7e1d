// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Fiber: a stack of its own that runs until it gives way. Changing over costs no system call, nor
// does beginning anew: millions of executions are made of these two.
//
// Thread safety: none. Ownership: its stack; one that is never resumed again just goes.
#pragma once

#include <ucontext.h>

#include <csetjmp>
#include <cstddef>
#include <functional>
#include <memory>

namespace penstock::interleave {

class Fiber {
 public:
  Fiber();  // of who calls: the one that starts the others
  explicit Fiber(std::size_t stack_bytes);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // What it does when it is resumed next. `body` ends by resuming another, and never returns unless
  // it is begun anew.
  void begin(void (*body)());
  // `from` (the running one) stops here until somebody resumes it.
  void resume(Fiber& from);
  // The end of its body: `next` goes on.
  void end(Fiber& next);

 private:
  static void enter(unsigned high, unsigned low);
  [[noreturn]] void loop();

  std::unique_ptr<std::byte[]> stack_;
  std::size_t stack_bytes_ = 0;
  ucontext_t start_{};
  std::jmp_buf place_{};
  bool fresh_ = false;  // has no place to go on from yet
  bool idle_ = false;   // is where body() returned
  void (*body_)() = nullptr;
};

}  // namespace penstock::interleave
