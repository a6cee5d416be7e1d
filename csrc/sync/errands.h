// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ErrandScope: what a thread does for others once it holds nothing itself.
//
// Whoever would wake a thread, deep inside of something, may leave the work as an errand with the
// thread that it is on, if there is a scope around: the outermost scope runs it at its end. That
// saves two switches of threads. A thread opens a scope where it holds no lock and somebody would
// wait for it no longer than for the wake-up.
// Thread safety: acts on the calling thread alone. Ownership: shares the errands until they are
// done. Nothing allocates or blocks but the errands.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

namespace penstock {

class Errand {
 public:
  virtual ~Errand() = default;
  virtual void run() noexcept = 0;
};

class ErrandScope {
 public:
  ErrandScope() noexcept;
  // Runs what was left, and what that leaves.
  ~ErrandScope();
  ErrandScope(const ErrandScope&) = delete;
  ErrandScope& operator=(const ErrandScope&) = delete;
  // One that is left twice runs once. False: nobody will run it here, or there are too many.
  [[nodiscard]] static bool leave(const std::shared_ptr<Errand>& errand) noexcept;

 private:
  static constexpr std::size_t kMost = 8;
  [[nodiscard]] bool add(const std::shared_ptr<Errand>& errand) noexcept;

  std::array<std::shared_ptr<Errand>, kMost> left_;
  std::size_t count_ = 0;
};

}  // namespace penstock
