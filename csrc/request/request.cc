// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/request.h"

#include <cassert>

namespace penstock {
namespace {

// The state chart of docs/request_path.md: Free -> Filling -> Queued -> Batched -> Executing ->
// Done -> Free, and the ways out: a request refused while filling goes back to Free, one refused
// in the queue (expired, cancelled, stopped) is Done without having been batched, one answered from
// the response cache without having been queued. One that is rescheduled for another step (S-31)
// goes from Executing to Queued.
constexpr bool can_move(RequestState from, RequestState to) {
  switch (from) {
    case RequestState::kFree:
      return to == RequestState::kFilling;
    case RequestState::kFilling:
      return to == RequestState::kQueued || to == RequestState::kFree || to == RequestState::kDone;
    case RequestState::kQueued:
      return to == RequestState::kBatched || to == RequestState::kDone ||
             to == RequestState::kFilling;  // the ring was full: the owner has it back
    case RequestState::kBatched:
      return to == RequestState::kExecuting || to == RequestState::kDone;
    case RequestState::kExecuting:
      return to == RequestState::kDone || to == RequestState::kQueued;
    case RequestState::kDone:
      return to == RequestState::kFree;
  }
  return false;
}

// What a slot keeps of a request for the next one. Bounded, or 65536 slots would in the end each
// hold as much as the largest request ever.
constexpr std::size_t kKeptBytes = 256;
constexpr std::size_t kKeptElements = 32;

void recycle(std::string& text) {
  text.clear();
  if (text.capacity() > kKeptBytes) text.shrink_to_fit();
}

void recycle(Recycled<Parameter>& parameters) {
  for (auto& parameter : parameters) {
    recycle(parameter.name);
    if (auto* text = std::get_if<std::string>(&parameter.value)) recycle(*text);
  }
  parameters.clear_keeping(kKeptElements);
}

}  // namespace

void Response::clear() {
  for (auto& output : outputs) output.lease.reset();
  outputs.clear_keeping(kKeptElements);
  recycle(parameters);
  status = Status{};
  final = true;
  answered = false;
  flags_only = false;
  next = nullptr;
}

InputTensor* Request::add_input(std::string_view name) {
  const int spec = plan_->find_input(name);
  for (const auto& input : inputs) {
    const bool same = spec >= 0 ? input.spec == static_cast<std::uint32_t>(spec)
                                : input.spec == kUnknownSpec && input.unknown_name == name;
    if (same) return nullptr;
  }
  InputTensor& input = inputs.append();
  input.spec = spec >= 0 ? static_cast<std::uint32_t>(spec) : kUnknownSpec;
  if (spec < 0) input.unknown_name = name;
  input.view = TensorView{};
  input.lease.reset();
  return &input;
}

RequestedOutput* Request::add_output(std::string_view name) {
  const int spec = plan_->find_output(name);
  for (const auto& output : outputs) {
    const bool same = spec >= 0 ? output.spec == static_cast<std::uint32_t>(spec)
                                : output.spec == kUnknownSpec && output.unknown_name == name;
    if (same) return nullptr;
  }
  RequestedOutput& output = outputs.append();
  output.spec = spec >= 0 ? static_cast<std::uint32_t>(spec) : kUnknownSpec;
  if (spec < 0) output.unknown_name = name;
  output.class_count = 0;
  output.binary = false;
  return &output;
}

const InputTensor* Request::find_input(std::uint32_t spec) const {
  for (const auto& input : inputs) {
    if (input.spec == spec) return &input;
  }
  return nullptr;
}

bool Request::wants_output(std::uint32_t spec) const {
  if (outputs.empty()) return true;
  for (const auto& output : outputs) {
    if (output.spec == spec) return true;
  }
  return false;
}

std::string Request::tag_text() const {
  return "[request id: " + (id.empty() ? std::string("<id_unknown>") : id) + "] ";
}

void Request::set_state(RequestState next) {
  assert(can_move(state_, next));
  state_ = next;
}

void Request::reset() {
  recycle(id);
  correlation_id = 0;
  recycle(correlation_id_string);
  flags = 0;
  priority = 0;
  timeout_us = 0;
  deadline_ns = kNoDeadlineNs;
  deadline_ms = kNoDeadlineMs;
  recycle(parameters);
  for (auto& input : inputs) {
    input.lease.reset();
    recycle(input.unknown_name);
  }
  inputs.clear_keeping(kKeptElements);
  for (auto& output : outputs) {
    output.window.lease.reset();
    recycle(output.unknown_name);
  }
  outputs.clear_keeping(kKeptElements);
  binary_data_output = false;
  wants_empty_final = false;
  completion = nullptr;
  tag = nullptr;
  frontend = TraceFrontend::kNone;
  recycle(trace_context);
  trace.reset();
  batch_size = 1;
  times = StageTimes{};
  response.clear();
  response.request = this;
  deferred_ = false;
  sent_ = 0;
  sent_ns_ = 0;
  begun_ns_ = 0;
  compute_ns_ = {};
  warm_up_ = false;
  step_ = false;
  nested = false;
  cache_missed_ = false;
  cache_ns_ = 0;
  plan_ = nullptr;
  model_.reset();
  sink_ = nullptr;
  reader_.reset();
  cancelled_elsewhere_ = nullptr;
  counted_ = false;
}

}  // namespace penstock
