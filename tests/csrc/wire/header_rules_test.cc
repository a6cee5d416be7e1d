// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Restricted APIs' headers and header forwarding (1.14, 1.15, X-57).
#include "penstock/header_rules.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock {
namespace {

bool takes(const char* pattern, std::string_view name) {
  const auto forwarding = HeaderForwarding::compile(pattern);
  EXPECT_TRUE(forwarding.ok());
  const auto taken = forwarding.value()->takes(name);
  EXPECT_TRUE(taken.ok());
  return taken.value();
}

TEST(HeaderForwardingTest, SearchesInAnyCase) {
  EXPECT_TRUE(takes("user", "X-User-Id"));
  EXPECT_TRUE(takes("(?i)USER", "x-user"));
  EXPECT_TRUE(takes("^x-(a|b)$", "X-B"));
  EXPECT_FALSE(takes("^x-(a|b)$", "X-BC"));
  EXPECT_FALSE(takes("user", "x-other"));
}

TEST(HeaderForwardingTest, LongNamesAreNotLookedAt) {
  EXPECT_TRUE(takes("x", std::string(HeaderForwarding::kMaxName, 'x')));
  EXPECT_FALSE(takes("x", std::string(HeaderForwarding::kMaxName + 1, 'x')));
}

TEST(HeaderForwardingTest, BadPatternsAreErrors) {
  for (const char* pattern : {"(", "[a", "a{2,1}", "*"}) {
    EXPECT_FALSE(HeaderForwarding::compile(pattern).ok()) << pattern;
  }
}

TEST(HeaderForwardingTest, ReservedNamesAreErrorsWhenTheyMatch) {
  const auto all = HeaderForwarding::compile(".*").value();
  for (const char* name : {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout",
                           "headers", "binary_data_output", "triton_x"}) {
    const auto taken = all->takes(name);
    ASSERT_FALSE(taken.ok()) << name;
    EXPECT_EQ(taken.status().code(), Code::kInvalidArg);
    EXPECT_EQ(taken.status().message(), "Header '" + std::string(name) +
                                            "' is reserved for Triton usage and cannot be "
                                            "forwarded.");
  }
  EXPECT_FALSE(takes("^x-", "priority"));
}

TEST(RequiredHeaderTest, NamesAreComparedInAnyCase) {
  const RequiredHeader required{"X-Secret", "s"};
  EXPECT_TRUE(required.set());
  EXPECT_TRUE(required.named("x-secret"));
  EXPECT_FALSE(required.named("x-secrets"));
  EXPECT_FALSE(required.named("x-secre"));
  EXPECT_FALSE(RequiredHeader{}.set());
}

TEST(HeaderRulesTest, NoneByDefault) { EXPECT_FALSE(HeaderRules{}.any()); }

}  // namespace
}  // namespace penstock
