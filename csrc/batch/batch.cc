// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>

#include "batch/outputs.h"
#include "batch/sequence_rows.h"
#include "batch/shapes.h"
#include "penstock/backend.h"
#include "request/string_tensor.h"

namespace penstock {
namespace {

Status check_type(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  if (view.type != spec.type) {
    return internal_error("unexpected data type for output '" + spec.name + "' of model '" +
                          plan.name + "'. Expected " + std::string(data_type_name(spec.type)) +
                          ", got " + std::string(data_type_name(view.type)));
  }
  return {};
}

Status check_size(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  const auto expected = byte_size(view.type, view.shape);
  if (view.type != DataType::kBytes && (!expected || *expected != view.size_bytes)) {
    return internal_error("output '" + spec.name + "' of model '" + plan.name + "' has " +
                          std::to_string(view.size_bytes) + " bytes, its shape " +
                          to_string(view.shape) + " needs " +
                          (expected ? std::to_string(*expected) : std::string("more than 2^64")));
  }
  return {};
}

// Bytes of the next `count` elements of a BYTES tensor; nullopt when there are fewer.
std::optional<std::size_t> string_bytes(StringCursor& cursor, std::uint64_t count) {
  const std::size_t before = cursor.left();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (cursor.done() || !cursor.next()) return std::nullopt;
  }
  return before - cursor.left();
}

Status strings_missing(const ModelPlan& plan, const TensorSpec& spec, const TensorView& view) {
  return internal_error("output '" + spec.name + "' of model '" + plan.name +
                        "' does not hold the strings that its shape " + to_string(view.shape) +
                        " says");
}

constexpr const char* kNotIterative =
    "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not "
    "configured to handle such a flag.";

}  // namespace

void give_output(const Request& request, Response& response, std::uint32_t spec,
                 const TensorView& view, const BufferLease& lease) {
  response.answered = true;
  if (spec >= request.plan().client_outputs()) return;
  if (!response.status.ok() || !request.wants_output(spec)) return;
  OutputTensor& output = response.outputs.append();
  output.spec = spec;
  output.view = view;
  output.lease = lease;
}

Status check_output(const ModelPlan& plan, std::uint32_t spec, TensorView& view) {
  const TensorSpec& tensor = plan.outputs[spec];
  PENSTOCK_RETURN_IF_ERROR(check_type(plan, tensor, view));
  PENSTOCK_RETURN_IF_ERROR(check_size(plan, tensor, view));
  Shape shape;
  PENSTOCK_RETURN_IF_ERROR(client_shape(plan, tensor, view.shape, shape));
  if (view.type == DataType::kBytes) {
    StringCursor cursor(view.data, view.size_bytes);
    const auto bytes = string_bytes(cursor, element_count(view.shape).value_or(0));
    if (!bytes || *bytes != view.size_bytes) return strings_missing(plan, tensor, view);
  }
  view.shape = shape;
  return {};
}

Status add_output(const Request& request, Response& response, std::uint32_t spec,
                  const TensorView& view, const BufferLease& lease) {
  TensorView out = view;
  PENSTOCK_RETURN_IF_ERROR(check_output(request.plan(), spec, out));
  give_output(request, response, spec, out, lease);
  return {};
}

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

// Whether the rows' inputs lie one behind the other, as those do that another process has gathered.
bool Batch::contiguous(std::uint32_t spec) const {
  const InputTensor* before = find(0, spec);
  for (std::size_t i = 1; i < rows_.size(); ++i) {
    const InputTensor* next = find(i, spec);
    const bool joined = next->lease && next->lease.get() == before->lease.get() &&
                        next->view.data == before->view.data + before->view.size_bytes;
    if (!joined) return false;
    before = next;
  }
  return true;
}

Status Batch::concatenate(std::uint32_t spec, TensorView& view, BufferLease& lease) {
  std::size_t total = 0;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const TensorView& part = find(i, spec)->view;
    total += part.size_bytes;  // each was received: the sum of what is in memory
    rows += part.shape.empty() ? 0 : part.shape[0];
  }
  const bool as_it_is = contiguous(spec);
  if (!as_it_is) lease = pool_->acquire(total);
  if (!lease && !as_it_is) {
    return unavailable("no memory to gather input '" + plan_->inputs[spec].name + "' of model '" +
                       plan_->name + "': " + std::to_string(total) + " bytes");
  }
  view.size_bytes = total;
  if (!view.shape.empty()) view.shape[0] = rows;
  if (as_it_is) return {};
  std::byte* to = lease->data;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const TensorView& part = find(i, spec)->view;
    if (part.size_bytes > 0) std::memcpy(to, part.data, part.size_bytes);
    to += part.size_bytes;
  }
  view.data = lease->data;
  view.memory = lease->memory;
  gathered_.append() = lease;
  return {};
}

Status Batch::gather(std::uint32_t spec, TensorView& view, BufferLease* lease) {
  view = TensorView{};
  BufferLease keeper;
  if (rows_.empty()) return {};
  if (!input(0, spec, view, &keeper)) {
    if (plan_->inputs[spec].source != TensorSource::kControl) return {};
    return unavailable("no memory for the control inputs of model '" + plan_->name + "'");
  }
  if (rows_.size() > 1) PENSTOCK_RETURN_IF_ERROR(concatenate(spec, view, keeper));
  if (plan_->inputs[spec].allow_ragged_batch) {  // C-4: ragged inputs are flat, also alone
    view.shape = Shape{ragged_elements(spec)};
  }
  if (lease != nullptr) *lease = std::move(keeper);
  return {};
}

std::int64_t Batch::ragged_elements(std::uint32_t spec) const {
  std::uint64_t elements = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    elements += element_count(find(i, spec)->view.shape).value_or(0);
  }
  return static_cast<std::int64_t>(elements);
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
  request.holds_.store(2, std::memory_order_relaxed);  // relaxed: nobody else knows of it yet
  return Responder(&request);
}

// How the rows of a batch's output fall to its requests.
Status Batch::check_rows(const TensorSpec& tensor, const TensorView& view) const {
  if (!plan_->batching()) {
    if (rows_.size() == 1) return {};
  } else if (view.shape[0] == total_batch_size_) {
    return {};
  }
  return internal_error("output '" + tensor.name + "' of model '" + plan_->name + "' has shape " +
                        to_string(view.shape) + " for a batch of " +
                        std::to_string(total_batch_size_));
}

Status Batch::scatter(std::uint32_t spec, const TensorView& view, const BufferLease& lease) {
  const TensorSpec& tensor = plan_->outputs[spec];
  PENSTOCK_RETURN_IF_ERROR(check_type(*plan_, tensor, view));
  PENSTOCK_RETURN_IF_ERROR(check_size(*plan_, tensor, view));
  TensorView part = view;
  PENSTOCK_RETURN_IF_ERROR(client_shape(*plan_, tensor, view.shape, part.shape));
  PENSTOCK_RETURN_IF_ERROR(check_rows(tensor, view));
  if (rows_.size() == 1) return set_output(0, spec, view, lease);
  const auto rows = static_cast<std::uint64_t>(std::max<std::int64_t>(total_batch_size_, 1));
  const std::size_t row_bytes = view.size_bytes / rows;
  const std::uint64_t row_elements = element_count(view.shape).value_or(0) / rows;
  StringCursor cursor(view.data, view.size_bytes);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto own = static_cast<std::uint64_t>(rows_[i]->batch_size);
    part.shape[0] = rows_[i]->batch_size;
    // Rows of what is in memory already, so the products are at most what view says.
    part.size_bytes = row_bytes * own;
    if (view.type == DataType::kBytes) {
      const auto bytes = string_bytes(cursor, row_elements * own);
      if (!bytes) return strings_missing(*plan_, tensor, view);
      part.size_bytes = *bytes;
    }
    PENSTOCK_RETURN_IF_ERROR(give(i, spec, part, lease));
    part.data += part.size_bytes;
  }
  return {};
}

void Batch::fail(std::size_t i, Status status) {
  if (!unanswered(i)) rows_[i]->response.status = std::move(status);
}

void Batch::fail_all(const Status& status) {
  for (auto* request : requests_) {
    if (request->response.status.ok()) request->response.status = status;
  }
}

}  // namespace penstock
