// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/sequence_table.h"

#include <cassert>
#include <utility>

namespace penstock {

Sequence* SequenceTable::find(const SequenceId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Sequence& SequenceTable::open(SequenceId id) {
  if (unused_.empty()) unused_.emplace_back();
  const auto self = unused_.begin();
  backlog_.splice(backlog_.end(), unused_, self);
  Sequence& sequence = *self;
  sequence.self = self;
  sequence.known = true;
  by_id_[id] = &sequence;
  sequence.id = std::move(id);
  if (!free_.empty()) {
    const std::uint64_t slot = free_.top();  // lower than all that were never used
    free_.pop();
    seat(sequence, slot);
  } else if (seats_.size() < slot_count_) {
    seats_.push_back(nullptr);
    seat(sequence, seats_.size() - 1);
  }
  return sequence;
}

void SequenceTable::seat(Sequence& sequence, std::uint64_t slot) {
  seated_.splice(seated_.end(), backlog_, sequence.self);
  sequence.slot = slot;
  sequence.expires_ns = kNoDeadline;  // S-24 is about the backlog
  seats_[slot] = &sequence;
}

void SequenceTable::forget(Sequence& sequence) {
  if (!std::exchange(sequence.known, false)) return;
  by_id_.erase(sequence.id);
}

Sequence* SequenceTable::close(Sequence& sequence) {
  assert(sequence.over());
  const std::uint64_t slot = std::exchange(sequence.slot, Sequence::kBacklog);
  sequence.expires_ns = kNoDeadline;
  sequence.states.clear();
  auto& list = slot == Sequence::kBacklog ? backlog_ : seated_;
  unused_.splice(unused_.begin(), list, sequence.self);
  if (slot == Sequence::kBacklog) return nullptr;
  seats_[slot] = nullptr;
  if (backlog_.empty()) {
    free_.push(slot);
    return nullptr;
  }
  Sequence& next = backlog_.front();
  seat(next, slot);
  return &next;
}

}  // namespace penstock
