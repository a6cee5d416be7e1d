// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SequenceTable: which sequences there are, which slot each has, and who waits for one (contract
// S-20..S-25).
//
// A sequence is known by its id until its END came, it was idle, or it was broken off; it keeps its
// slot until its last request is done. Who decides that, and when, is SequenceScheduler; here are
// the places alone. Thread safety: none; the scheduler's lock covers it. Ownership: owns sequences,
// borrows their requests. A warm table allocates only for ids.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch/sequence_rows.h"
#include "penstock/clock.h"
#include "penstock/request.h"

namespace penstock {

// S-20: numbers and texts never meet; nor do clients' with those that the server made (S-31).
struct SequenceId {
  enum class Space : std::uint8_t { kNumber, kText, kOwn };
  Space space = Space::kNumber;
  std::uint64_t number = 0;
  std::string text;
  friend bool operator==(const SequenceId&, const SequenceId&) = default;
};

struct SequenceIdHash {
  std::size_t operator()(const SequenceId& id) const noexcept {
    return std::hash<std::string>()(id.text) ^ std::hash<std::uint64_t>()(id.number) ^
           static_cast<std::size_t>(id.space);
  }
};

struct Sequence {
  static constexpr std::uint64_t kBacklog = UINT64_MAX;

  SequenceId id;
  bool known = false;                     // its id leads to it
  bool running = false;                   // one of its requests is executing
  std::uint64_t slot = kBacklog;          // over all instances
  std::int64_t last_ns = 0;               // when its latest request came (S-25)
  std::int64_t expires_ns = kNoDeadline;  // while it is in the backlog (S-24)
  std::deque<Request*> waiting;           // in the order they came
  SequenceStates states;                  // S-30

  [[nodiscard]] bool seated() const { return slot != kBacklog; }
  [[nodiscard]] bool over() const { return !known && !running && waiting.empty(); }

 private:
  friend class SequenceTable;
  std::list<Sequence>::iterator self;
};

class SequenceTable {
 public:
  SequenceTable(std::uint32_t instances, std::uint32_t slots)
      : instances_(instances), slot_count_(std::uint64_t{instances} * slots) {}

  // nullptr: unknown.
  [[nodiscard]] Sequence* find(const SequenceId& id);
  // A new one, in the free slot with the lowest number over all instances, else last in the backlog
  // (S-23).
  [[nodiscard]] Sequence& open(SequenceId id);
  // Its id leads nowhere from now on.
  void forget(Sequence& sequence);
  // Ends one that is over. Returns who has taken its slot: the head of the backlog, or nullptr.
  Sequence* close(Sequence& sequence);

  [[nodiscard]] std::uint32_t instance_of(const Sequence& sequence) const {
    return static_cast<std::uint32_t>(sequence.slot % instances_);
  }
  // Who has a slot of an instance; nullptr: nobody.
  [[nodiscard]] Sequence* at(std::uint32_t instance, std::size_t slot) const {
    const std::size_t i = slot * instances_ + instance;
    return i < seats_.size() ? seats_[i] : nullptr;
  }
  // Looks at all, the backlog first. `look` may close the one it looks at, and no other.
  template <typename Look>
  void for_each(Look look) {
    for (auto* list : {&backlog_, &seated_}) {
      for (auto it = list->begin(); it != list->end();) look(*it++);
    }
  }
  [[nodiscard]] std::size_t seated() const { return seated_.size(); }
  [[nodiscard]] std::size_t waiting() const { return backlog_.size(); }

 private:
  void seat(Sequence& sequence, std::uint64_t slot);

  const std::uint32_t instances_;
  const std::uint64_t slot_count_;
  std::unordered_map<SequenceId, Sequence*, SequenceIdHash> by_id_;
  std::list<Sequence> seated_;
  std::list<Sequence> backlog_;
  std::list<Sequence> unused_;    // kept for the next ones
  std::vector<Sequence*> seats_;  // by slot, as far as slots were ever used
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> free_;
};

}  // namespace penstock
