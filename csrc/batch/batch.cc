// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <algorithm>
#include <cassert>
#include <string>

#include "batch/outputs.h"
#include "batch/sequence_rows.h"
#include "batch/shapes.h"
#include "penstock/backend.h"

namespace penstock {
namespace {

constexpr const char* kNotIterative =
    "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not "
    "configured to handle such a flag.";

}  // namespace

Batch::Batch() = default;
Batch::~Batch() = default;

void Batch::begin(const ModelPlan& plan, BufferPool& pool, const Clock& clock) {
  if (&plan != plan_) {
    sequence_ = plan.sequences() ? std::make_unique<SequenceRows>(plan, pool) : nullptr;
  }
  plan_ = &plan;
  pool_ = &pool;
  clock_ = &clock;
  exec_start_ns_ = 0;
  exec_end_ns_ = 0;
}

void Batch::add(Request* request) {
  rows_.push_back(request);
  requests_.push_back(request);
  total_batch_size_ += request->batch_size;
}

void Batch::add_row(Request* request, std::vector<InputTensor>& states, bool padding) {
  rows_.push_back(request);
  if (!padding) requests_.push_back(request);
  total_batch_size_ += request->batch_size;
  sequence_->add(*request, states, padding);
}

void Batch::clear() {
  rows_.clear();
  requests_.clear();
  if (sequence_) sequence_->clear();
  any_rescheduled_ = false;
  any_deferred_ = false;
  total_batch_size_ = 0;
  for (auto& lease : gathered_) lease.reset();
  gathered_.clear();
}

bool Batch::padding(std::size_t i) const { return sequence_ && sequence_->padding(i); }

bool Batch::unanswered(std::size_t i) const {
  return sequence_ && (sequence_->padding(i) || sequence_->rescheduled(i));
}

const InputTensor* Batch::find(std::size_t i, std::uint32_t spec) const {
  const TensorSource source = plan_->inputs[spec].source;
  if (source == TensorSource::kClient) return rows_[i]->find_input(spec);
  return sequence_ ? sequence_->input(i, spec) : nullptr;
}

bool Batch::input(std::size_t i, std::uint32_t spec, TensorView& view, BufferLease* lease) const {
  const InputTensor* input = find(i, spec);
  if (input == nullptr) return false;
  view = input->view;
  view.shape = backend_shape(plan_->inputs[spec], input->view.shape, plan_->batching());
  if (lease != nullptr) *lease = input->lease;
  return true;
}

bool Batch::wants_output(std::uint32_t spec) const {
  if (plan_->state_of_output(spec) >= 0) return true;
  return std::any_of(requests_.begin(), requests_.end(),
                     [spec](const Request* request) { return request->wants_output(spec); });
}

// Hands a row its part of an output that was checked.
Status Batch::give(std::size_t i, std::uint32_t spec, const TensorView& view,
                   const BufferLease& lease) {
  if (padding(i)) return {};
  if (view.memory == MemoryKind::kGpu) return give_from_device(i, spec, view);
  if (const int state = plan_->state_of_output(spec); state >= 0) {
    PENSTOCK_RETURN_IF_ERROR(sequence_->keep(i, static_cast<std::size_t>(state), view, lease));
  }
  if (unanswered(i)) return {};
  give_output(*rows_[i], rows_[i]->response, spec, view, lease);
  return {};
}

Status Batch::set_output(std::size_t i, std::uint32_t spec, const TensorView& view,
                         const BufferLease& lease) {
  TensorView out = view;
  if (view.memory == MemoryKind::kGpu) PENSTOCK_RETURN_IF_ERROR(offer(spec, view, lease));
  PENSTOCK_RETURN_IF_ERROR(check_output(*plan_, spec, out));
  return give(i, spec, out, lease);
}

void Batch::answer(std::size_t i) {
  if (!unanswered(i)) rows_[i]->response.answered = true;
}

Status Batch::reschedule(std::size_t i, Responder* responder) {
  Request& request = *rows_[i];
  if (!plan_->sequences() || !plan_->sequence.iterative) {
    return invalid_arg(request.tag_text() + kNotIterative);
  }
  if (unanswered(i)) return {};
  if (responder != nullptr) {
    responder->request_ = nullptr;
    request.deferred_ = false;
  }
  request.response.clear();  // its last step answers
  sequence_->reschedule(i);
  any_rescheduled_ = true;
  std::erase(requests_, &request);
  return {};
}

Responder Batch::defer(std::size_t i) {
  assert(!padding(i));
  Request& request = *rows_[i];
  assert(!request.deferred_);
  request.deferred_ = true;
  any_deferred_ = true;
  request.holds_.reset(2);  // nobody else knows of it yet
  return Responder(&request);
}

void Batch::fail(std::size_t i, Status status) {
  if (!unanswered(i)) rows_[i]->response.status = std::move(status);
}

void Batch::fail_all(const Status& status) {
  for (auto* request : requests_) {
    if (request->deferred_ || !request->response.status.ok()) continue;
    request->response.status = status;
  }
}

}  // namespace penstock
