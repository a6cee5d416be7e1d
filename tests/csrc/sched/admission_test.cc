// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Whether a request can meet its deadline, by tables.
#include "sched/admission.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

constexpr std::int64_t kMs = 1'000'000;

TEST(Admission, ExpectedWait) {
  struct Row {
    const char* what;
    WorkAhead work;
    std::int64_t wait_ns;
  };
  const Row rows[] = {
      {"idle", {0, 1, 1, true, 10 * kMs}, 0},
      {"nothing was measured yet", {50, 1, 1, false, 0}, 0},
      {"one runs", {0, 1, 1, false, 10 * kMs}, 5 * kMs},
      {"one runs, three wait", {3, 1, 1, false, 10 * kMs}, 35 * kMs},
      {"two instances share what waits", {4, 1, 2, false, 10 * kMs}, 25 * kMs},
      {"what is left over goes with the last ones", {5, 1, 2, false, 10 * kMs}, 25 * kMs},
      {"batches are full", {16, 8, 1, false, 10 * kMs}, 25 * kMs},
      {"the request joins the next batch", {7, 8, 1, false, 10 * kMs}, 5 * kMs},
      {"both", {64, 8, 2, false, 10 * kMs}, 45 * kMs},
      {"submitted in a burst, not yet woken", {2, 1, 1, true, 10 * kMs}, 20 * kMs},
      {"more than there is time", {UINT64_MAX, 1, 1, false, 10 * kMs}, INT64_MAX / 4},
      {"longer than there is time", {3, 1, 1, false, INT64_MAX / 3}, INT64_MAX / 4},
  };
  for (const Row& row : rows) EXPECT_EQ(expected_wait_ns(row.work), row.wait_ns) << row.what;
}

TEST(Admission, LateBy) {
  struct Row {
    const char* what;
    WorkAhead work;
    std::int64_t left_ns;
    std::int64_t late_ns;
  };
  const Row rows[] = {
      {"in time", {3, 1, 1, false, 10 * kMs}, 50 * kMs, 0},
      {"just in time", {3, 1, 1, false, 10 * kMs}, 45 * kMs, 0},
      {"late", {3, 1, 1, false, 10 * kMs}, 44 * kMs, 1 * kMs},
      {"too late already", {3, 1, 1, false, 10 * kMs}, -5 * kMs, 50 * kMs},
      {"an idle model is never late", {0, 1, 1, true, 10 * kMs}, 1, 0},
      {"nobody knows", {90, 1, 1, false, 0}, 1, 0},
      {"for ever", {UINT64_MAX, 1, 1, false, INT64_MAX / 4}, INT64_MAX / 2, 0},
  };
  for (const Row& row : rows) EXPECT_EQ(late_by_ns(row.work, row.left_ns), row.late_ns) << row.what;
}

TEST(ServiceTime, FollowsWhatIsMeasured) {
  ServiceTime time;
  EXPECT_EQ(time.ns(), 0);
  time.observe(10'000 * kMs);  // a first call that was slow
  EXPECT_EQ(time.ns(), 10'000 * kMs);
  int calls = 0;
  for (; time.ns() > 20 * kMs; ++calls) time.observe(10 * kMs);
  EXPECT_LT(calls, 60);
  for (int i = 0; i < 100; ++i) time.observe(10 * kMs);
  EXPECT_NEAR(static_cast<double>(time.ns()), 10 * kMs, 1000);
}

}  // namespace
}  // namespace penstock
