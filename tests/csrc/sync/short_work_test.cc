// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/short_work.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace penstock {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStepMs = ShortWork::kWindowNs / kMs / 10;

// A process of two cores at some time of day.
class ShortWorkTest : public testing::Test {
 protected:
  ShortWorkTest() { work.allow(true); }

  // Goes on for so long, with so many hundredths of both cores' time.
  void go_on(std::int64_t ms, std::int64_t percent) {
    for (std::int64_t done = 0; done < ms; done += kStepMs) {
      now_ns += kStepMs * kMs;
      work.add(2 * kStepMs * kMs * percent / 100, now_ns);
    }
  }

  // How long until it may go first again, with no work done meanwhile; at most a minute.
  std::int64_t paused_ms() {
    const std::int64_t from = now_ns;
    while (!work.may_go_first(now_ns) && now_ns - from < 60'000 * kMs) now_ns += kMs;
    return (now_ns - from) / kMs;
  }

  ShortWork work{2};
  std::int64_t now_ns = 5'000'000 * kMs;
};

TEST_F(ShortWorkTest, GoesFirstOnlyWhereItIsAllowed) {
  EXPECT_TRUE(work.may_go_first(now_ns));
  work.allow(false);
  EXPECT_FALSE(work.may_go_first(now_ns));
}

TEST_F(ShortWorkTest, GoesFirstForAsLongAsItLeavesRoom) {
  go_on(60'000, ShortWork::kMostPercent - 1);
  EXPECT_TRUE(work.may_go_first(now_ns));
}

TEST_F(ShortWorkTest, PausesOnceItLeavesNone) {
  go_on(200, 50);
  go_on(300, 95);
  EXPECT_FALSE(work.may_go_first(now_ns));
  EXPECT_LE(paused_ms(), ShortWork::kPauseNs / kMs);
  EXPECT_TRUE(work.may_go_first(now_ns));
}

TEST_F(ShortWorkTest, OneBusyWindowAmongIdleOnesIsNoReasonBeforeItIsOver) {
  go_on(200, 10);
  go_on(ShortWork::kWindowNs / kMs / 2, 100);
  go_on(ShortWork::kWindowNs / kMs / 2, 10);
  EXPECT_TRUE(work.may_go_first(now_ns));
}

TEST_F(ShortWorkTest, PausesLongerEachTimeUntilThereIsRoomAgain) {
  go_on(200, 50);
  std::int64_t last = 0;
  for (int i = 0; i < 8; ++i) {
    go_on(400, 95);
    const std::int64_t pause = paused_ms();
    EXPECT_GE(pause, last);
    last = pause;
  }
  EXPECT_GT(last, ShortWork::kLongestPauseNs / kMs / 2);
  EXPECT_LE(last, ShortWork::kLongestPauseNs / kMs);
  go_on(400, 50);
  go_on(300, 95);
  EXPECT_LE(paused_ms(), ShortWork::kPauseNs / kMs);
}

TEST_F(ShortWorkTest, WhatIsDoneInAPauseIsNotJudged) {
  go_on(200, 50);
  go_on(300, 95);
  ASSERT_FALSE(work.may_go_first(now_ns));
  while (!work.may_go_first(now_ns)) go_on(kStepMs, 100);
  go_on(ShortWork::kWindowNs / kMs, 10);  // ends the window that began in the pause
  EXPECT_TRUE(work.may_go_first(now_ns));
}

}  // namespace
}  // namespace penstock
