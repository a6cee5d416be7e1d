// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "interleave/futex.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "interleave/explorer.h"

namespace penstock::interleave {
namespace {

struct Sleeper {
  Place place;
  bool woken;
  bool may_time_out;
};
std::vector<Sleeper*> sleepers;  // on the stacks of their threads

bool ready(void* argument) {
  const auto& sleeper = *static_cast<Sleeper*>(argument);
  return sleeper.woken || sleeper.may_time_out;
}

}  // namespace

bool futex_sleep(Place place, bool may_time_out) {
  Sleeper sleeper{place, false, may_time_out};
  sleepers.push_back(&sleeper);
  before({place, true}, &ready, &sleeper);
  if (sleeper.woken) return true;
  std::erase(sleepers, &sleeper);
  return false;
}

void futex_rouse(Place place, std::int32_t count) {
  for (; count > 0; --count) {
    std::vector<Sleeper*> here;
    std::copy_if(sleepers.begin(), sleepers.end(), std::back_inserter(here),
                 [&](const Sleeper* s) { return s->place == place; });
    if (here.empty()) return;
    Sleeper* const chosen = here[choose(here.size())];
    chosen->woken = true;
    std::erase(sleepers, chosen);
  }
}

void forget_sleepers() { sleepers.clear(); }

}  // namespace penstock::interleave
