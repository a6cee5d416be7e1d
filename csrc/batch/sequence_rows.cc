// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/sequence_rows.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "batch/control_value.h"

namespace penstock {
namespace {

// ONNX Runtime and numpy want elements where their size says.
constexpr std::size_t kAlignment = 8;

std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// The plan's bytes may end with the model; back ends may hold an input for longer.
BufferLease copy_to_heap(const std::vector<std::byte>& bytes) {
  struct Owned {
    Buffer buffer;
    std::vector<std::byte> bytes;
  };
  auto* owned = new Owned{{}, bytes};
  owned->buffer.data = owned->bytes.data();
  owned->buffer.size_bytes = bytes.size();
  owned->buffer.owner = owned;
  owned->buffer.release = [](Buffer* b) noexcept { delete static_cast<Owned*>(b->owner); };
  return BufferLease::adopt(&owned->buffer);
}

// Behind the batch dimension.
Shape one_row(const ModelPlan& plan, Shape dims) {
  if (plan.batching()) (void)dims.try_push_front(1);
  return dims;
}

}  // namespace

SequenceStates initial_states(const ModelPlan& plan) {
  SequenceStates states;
  for (const SequenceState& state : plan.sequence.states) {
    InputTensor& tensor = states.emplace_back();
    tensor.spec = state.input;
    tensor.lease = copy_to_heap(state.initial_data);
    tensor.view.type = plan.inputs[state.input].type;
    tensor.view.shape = one_row(plan, state.initial_dims);
    tensor.view.data = tensor.lease->data;
    tensor.view.size_bytes = state.initial_data.size();
  }
  return states;
}

bool same_state_shapes(const SequenceStates& a, const SequenceStates& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const InputTensor& x, const InputTensor& y) { return x.view.shape == y.view.shape; });
}

void SequenceRows::add(Request& request, SequenceStates& states, bool padding) {
  Row& row = rows_.append();
  row.request = &request;
  row.states = &states;
  row.padding = padding;
  row.rescheduled = false;
}

void SequenceRows::place_control(std::uint32_t spec, Row& row, const BufferLease& lease,
                                 std::size_t& used) {
  const TensorSpec& tensor = plan_.inputs[spec];
  InputTensor& input = controls_.append();
  std::byte* to = lease->data + used;
  const SequenceControl& control = plan_.sequence.controls[tensor.source_index];
  input.spec = spec;
  input.view = TensorView{};
  input.view.type = tensor.type;
  input.view.shape = one_row(plan_, Shape{1});
  input.view.data = to;
  input.view.size_bytes = write_control(tensor, control, *row.request, !row.padding, to);
  input.lease = lease;
  used += aligned(input.view.size_bytes);
}

void SequenceRows::supply() {
  std::size_t size = 0;
  const auto each_control = [&](auto place) {
    for (Row& row : rows_) {
      for (std::uint32_t spec = 0; spec < plan_.inputs.size(); ++spec) {
        if (plan_.inputs[spec].source == TensorSource::kControl) place(spec, row);
      }
    }
  };
  each_control([&](std::uint32_t spec, Row& row) {
    size += aligned(control_bytes(plan_.inputs[spec], *row.request));
  });
  if (size == 0) return;
  const BufferLease lease = pool_.acquire(size);
  if (!lease) return;  // input() tells
  std::size_t used = 0;
  each_control([&](std::uint32_t spec, Row& row) { place_control(spec, row, lease, used); });
}

void SequenceRows::clear() {
  for (Row& row : rows_) row.next.clear();
  for (InputTensor& control : controls_) control.lease.reset();
  rows_.clear();
  controls_.clear();
}

const InputTensor* SequenceRows::input(std::size_t row, std::uint32_t spec) const {
  const TensorSpec& tensor = plan_.inputs[spec];
  if (tensor.source == TensorSource::kState) return &(*rows_[row].states)[tensor.source_index];
  // Controls may stand in any order among the inputs: look for the one.
  const std::size_t count = plan_.sequence.controls.size();
  for (std::size_t i = row * count; i < std::min((row + 1) * count, controls_.size()); ++i) {
    if (controls_[i].spec == spec) return &controls_[i];
  }
  return nullptr;
}

Status SequenceRows::keep(std::size_t row, std::size_t index, const TensorView& view,
                          const BufferLease& lease) {
  SequenceStates& next = rows_[row].next;
  next.resize(plan_.sequence.states.size());
  InputTensor& tensor = next[index];
  tensor.spec = plan_.sequence.states[index].input;
  tensor.view = view;
  // A row of a larger output would keep all of it.
  if (lease && rows_.size() == 1) {
    tensor.lease = lease;
    return {};
  }
  tensor.lease = pool_.acquire(view.size_bytes);
  if (!tensor.lease) {
    tensor.view = TensorView{};
    return unavailable("no memory for state '" + plan_.inputs[tensor.spec].name + "' of model '" +
                       plan_.name + "': " + std::to_string(view.size_bytes) + " bytes");
  }
  if (view.size_bytes > 0) std::memcpy(tensor.lease->data, view.data, view.size_bytes);
  tensor.view.data = tensor.lease->data;
  tensor.view.memory = tensor.lease->memory;
  return {};
}

void SequenceRows::commit(std::size_t row) {
  Row& done = rows_[row];
  for (std::size_t i = 0; i < done.next.size(); ++i) {
    if (done.next[i].view.type != DataType::kInvalid) (*done.states)[i] = std::move(done.next[i]);
  }
  done.next.clear();
}

}  // namespace penstock
