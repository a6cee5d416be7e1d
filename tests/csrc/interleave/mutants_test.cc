// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Are the scenarios strong enough, and is every order needed? Each memory order that the product
// names is made one step weaker, one at a time: some scenario has to fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "interleave/cases.h"
#include "interleave/mutation.h"

namespace penstock::interleave {
namespace {

constexpr std::uint64_t kMostExecutions = 200'000;

struct Covered {
  Case what;
  std::vector<Site> sites;
};

// How a mutant was caught; empty: it was not.
std::string caught(const Mutant& mutant, const std::vector<Covered>& cases) {
  for (const Covered& covered : cases) {
    if (std::find(covered.sites.begin(), covered.sites.end(), mutant.site) == covered.sites.end()) {
      continue;
    }
    mutate(&mutant);
    const Outcome outcome = explore(covered.what, kMostExecutions);
    mutate(nullptr);
    if (outcome.failure.empty()) continue;
    return std::string(covered.what.name) + ", execution " + std::to_string(outcome.executions) +
           ": " + outcome.failure.substr(0, outcome.failure.find('\n'));
  }
  return {};
}

TEST(MutantsTest, EveryWeakerOrderIsCaught) {
  std::vector<Covered> cases;
  std::vector<Site> sites;
  for (const Case& what : all_cases()) {
    if (what.large) continue;
    forget_sites();
    (void)explore(what, 2000);
    cases.push_back({what, known_sites()});
    for (const Site& site : cases.back().sites) {
      if (std::find(sites.begin(), sites.end(), site) == sites.end()) sites.push_back(site);
    }
  }
  std::size_t made = 0;
  std::size_t found = 0;
  for (const Site& site : sites) {
    for (const Mutant& mutant : mutants_of(site)) {
      ++made;
      const std::string how = caught(mutant, cases);
      if (!how.empty()) ++found;
      std::cout << (how.empty() ? "SURVIVES  " : "caught    ") << name_of(mutant)
                << (how.empty() ? "" : "  by ") << how << "\n";
    }
  }
  std::cout << found << " of " << made << " mutants of " << sites.size() << " orders caught\n";
  ASSERT_GT(made, 0U);
  EXPECT_GE(found * 100, made * 95);
}

}  // namespace
}  // namespace penstock::interleave
