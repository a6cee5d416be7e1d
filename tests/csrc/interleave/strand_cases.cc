// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <array>
#include <cstddef>

#include "interleave/atom.h"
#include "interleave/cases.h"
#include "sync/parker.h"
#include "sync/strand.h"

namespace penstock::interleave {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// News that whoever has the strand takes note of.
struct Office {
  void put(std::size_t item) { news[item].store(1, kRelaxed); }
  void work() {
    for (std::size_t i = 0; i < news.size(); ++i) {
      if (news[i].load(kRelaxed) == 0) continue;
      noted.set(noted.get() | (1 << i));
    }
  }
  void work_and_leave() {
    std::uint32_t seen = 0;
    do {
      seen = strand.seen();
      work();
    } while (!strand.leave(seen));
  }
  // True: the caller has it for good, as everything is noted.
  bool work_or_end(int everything) {
    if (!strand.take_over() && !strand.enter()) return false;
    std::uint32_t seen = 0;
    do {
      seen = strand.seen();
      work();
      if (noted.get() == everything) return true;
    } while (!strand.leave(seen));
    return false;
  }
  void bring(std::size_t item) {
    put(item);
    if (strand.enter()) work_and_leave();
    parker.notify_one();
  }

  BasicStrand<Atom> strand;
  BasicParker<Atom> parker;
  std::array<Atom<int>, 3> news;
  Plain<int> noted{0};  // reached by two at once, the exploration says so
};

void all_news_is_noted(Execution& run, std::size_t bringers) {
  auto& office = run.keep<Office>();
  for (std::size_t i = 0; i < bringers; ++i) {
    run.thread([&office, i] { office.bring(i); });
  }
  run.end([&office, bringers] {
    require(office.noted.get() == (1 << bringers) - 1, "somebody's news is lost");
  });
}

void two_bring_news(Execution& run) { all_news_is_noted(run, 2); }
void three_bring_news(Execution& run) { all_news_is_noted(run, 3); }

// One has had its share after a look, and somebody who sleeps goes on and closes it in the end.
void handed_over(Execution& run) {
  auto& office = run.keep<Office>();
  run.thread([&office] {
    office.put(0);
    if (!office.strand.enter()) return;
    office.work();
    office.strand.hand_over();
    office.parker.notify_one();
  });
  run.thread([&office] { office.bring(1); });
  run.thread([&office] {
    while (!office.work_or_end(3)) {
      const auto key = office.parker.prepare_wait();
      if (office.work_or_end(3)) return office.parker.cancel_wait();
      (void)office.parker.wait(key);
    }
  });
  run.end([&office] {
    require(office.noted.get() == 3, "somebody's news is lost");
    require(!office.strand.enter(), "it is closed, and somebody comes in");
  });
}

}  // namespace

std::vector<Case> strand_cases() {
  return {{"strand: two bring news", two_bring_news},
          {"strand: three bring news", three_bring_news},
          {"strand: handed over", handed_over}};
}

}  // namespace penstock::interleave
