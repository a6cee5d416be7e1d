// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SequenceRows: what the sequence batcher adds to the requests of a batch: control inputs (2.7),
// the states that sequences carry on (C-20, C-21), and rows that only fill a slot (S-26).
//
// A back end sees controls and states as inputs by name, and gives the next states as outputs. They
// become the sequence's when the batch is finished, so that a request that failed changes nothing.
// Thread safety: the batch's. Ownership: borrows requests and states of sequences until clear();
// owns the bytes of control values and of next states. Nothing blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "penstock/buffer.h"
#include "penstock/plan.h"
#include "penstock/request.h"
#include "penstock/status.h"

namespace penstock {

// By ModelPlan::sequence.states, each in the back end's shape with the batch dimension in front.
using SequenceStates = std::vector<InputTensor>;

// What a sequence starts from; the bytes are the model's, counted.
[[nodiscard]] SequenceStates initial_states(const ModelPlan& plan);
// Whether rows with these states can lie side by side.
[[nodiscard]] bool same_state_shapes(const SequenceStates& a, const SequenceStates& b);

class SequenceRows {
 public:
  SequenceRows(const ModelPlan& plan, BufferPool& pool) : plan_(plan), pool_(pool) {}

  // `padding`: a row that is a copy of a live request, but that it is not ready.
  void add(Request& request, SequenceStates& states, bool padding);
  // Makes the control values; after the last row.
  void supply();
  void clear();

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool padding(std::size_t row) const { return rows_[row].padding; }
  // A control or a state; nullptr when there was no memory for it.
  [[nodiscard]] const InputTensor* input(std::size_t row, std::uint32_t spec) const;
  // What the row's sequence goes on with: state `index` of the plan.
  [[nodiscard]] Status keep(std::size_t row, std::size_t index, const TensorView& view,
                            const BufferLease& lease);
  // The row was executed: its next states become its sequence's.
  void commit(std::size_t row);
  void reschedule(std::size_t row) { rows_[row].rescheduled = true; }
  [[nodiscard]] bool rescheduled(std::size_t row) const { return rows_[row].rescheduled; }

 private:
  struct Row {
    Request* request = nullptr;
    SequenceStates* states = nullptr;
    bool padding = false;
    bool rescheduled = false;
    SequenceStates next;  // of those kept, type not kInvalid
  };
  void place_control(std::uint32_t spec, Row& row, const BufferLease& lease, std::size_t& used);

  const ModelPlan& plan_;
  BufferPool& pool_;
  Recycled<Row> rows_;
  Recycled<InputTensor> controls_;  // row after row, in the order of the plan's controls
};

}  // namespace penstock
