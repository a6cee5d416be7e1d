// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <cstdint>

#include "interleave/atom.h"
#include "interleave/cases.h"
#include "memory/block_table.h"
#include "penstock/cancel_mark.h"
#include "request/slot_pool.h"

namespace penstock::interleave {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// ---- slots ----

struct Content {
  Plain<std::uint32_t> made;
  Plain<std::uint32_t> used;
  BasicCancelMark<Atom> use;
};
struct Slots {
  explicit Slots(std::uint32_t count) : pool(count) {}
  Content* acquire() {
    Content* slot = pool.acquire([](Content& made, std::uint32_t index) { made.made.set(index); });
    if (slot != nullptr) slot->used.set(slot->used.get() + 1);
    return slot;
  }
  void release(Content* slot) {
    slot->used.set(slot->used.get() + 1);
    slot->use.next();
    pool.release(slot);
  }

  SlotPool<Content, Atom, Mutex> pool;
};

// The pool grows under two at once, and has a slot for each.
void both_grow(Execution& run) {
  auto& slots = run.keep<Slots>(2);
  for (int i = 0; i < 2; ++i) {
    run.thread([&slots] {
      Content* slot = slots.acquire();
      require(slot != nullptr, "no slot where there is one");
      slots.release(slot);
    });
  }
  run.end([&slots] {
    Content* first = slots.acquire();
    Content* second = slots.acquire();
    require(first != nullptr && second != nullptr && first != second, "a slot is lost");
    require(slots.acquire() == nullptr, "a slot too many");
    slots.release(first);
    slots.release(second);
  });
}

void one_slot_for_two(Execution& run) {
  auto& slots = run.keep<Slots>(1);
  slots.release(slots.acquire());
  for (int i = 0; i < 2; ++i) {
    run.thread([&slots] {
      if (Content* slot = slots.acquire()) slots.release(slot);
    });
  }
  run.end([&slots] { require(slots.acquire() != nullptr, "the slot is lost"); });
}

// Somebody has a handle, and was told nothing else: what he finds there is whole.
void found_by_number(Execution& run) {
  auto& slots = run.keep<Slots>(2);
  run.thread([&slots] { (void)slots.acquire(); });
  run.thread([&slots] {
    if (Content* slot = slots.pool.find(1)) require(slot->made.get() == 1, "another slot");
  });
}

// ---- what is cancelled ----

// A cancellation for one use of a slot meets the next one.
void cancelled_too_late(Execution& run) {
  struct Word {
    BasicCancelMark<Atom> use;
  };
  auto& word = run.keep<Word>();
  const std::uint64_t first = word.use.generation();
  run.thread([&word] {
    word.use.next();
    require(!word.use.cancelled(), "a late cancellation is another's");
    require(!word.use.cancelled(), "a late cancellation is another's");
  });
  run.thread([&word, first] { (void)word.use.cancel(first); });
  run.end([&word] { require(!word.use.cancelled(), "a late cancellation is another's"); });
}

// The mark of the first use comes behind that of the second, and leaves it alone.
void cancelled_twice(Execution& run) {
  struct Word {
    BasicCancelMark<Atom> use;
    bool cancelled = false;
  };
  auto& word = run.keep<Word>();
  const std::uint64_t first = word.use.generation();
  run.thread([&word, first] { (void)word.use.cancel(first); });
  run.thread([&word] {
    word.use.next();
    word.cancelled = word.use.cancel(word.use.generation());
  });
  run.end([&word] { require(word.cancelled && word.use.cancelled(), "a cancellation is lost"); });
}

// ---- headers by number ----

struct Header {
  std::uint32_t number = 0;
  Plain<std::uint32_t> content;
};
// Numbers are handed on by what orders them (a free list); the directory orders nothing itself.
void headers_by_number(Execution& run) {
  struct Table {
    BasicBlockTable<Header, Atom, Mutex> table;
    Atom<std::uint32_t> handed{UINT32_MAX};
  };
  auto& it = run.keep<Table>();
  run.thread([&it] {
    Header* header = it.table.add();
    header->content.set(header->number + 5);
    it.handed.store(header->number, std::memory_order_release);
  });
  run.thread([&it] {
    Header* header = it.table.add();
    header->content.set(header->number + 5);
    require(&it.table[header->number] == header, "a number leads to another header");
  });
  run.thread([&it] {
    const std::uint32_t number = it.handed.load(std::memory_order_acquire);
    if (number == UINT32_MAX) return;
    require(it.table[number].content.get() == number + 5, "another header");
  });
}

}  // namespace

std::vector<Case> slot_pool_cases() {
  return {{"slots: both grow", both_grow},
          {"slots: one for two", one_slot_for_two},
          {"slots: found by number", found_by_number},
          {"cancel: too late", cancelled_too_late},
          {"cancel: twice", cancelled_twice},
          {"headers: by number", headers_by_number}};
}

}  // namespace penstock::interleave
