// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <algorithm>
#include <cstring>
#include <string>

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

void append_output(Request& request, std::uint32_t spec, const TensorView& view,
                   const BufferLease& lease) {
  OutputTensor& output = request.response.outputs.append();
  output.spec = spec;
  output.view = view;
  output.lease = lease;
}

}  // namespace

void Batch::begin(const ModelPlan& plan, BufferPool& pool, const Clock& clock) {
  plan_ = &plan;
  pool_ = &pool;
  clock_ = &clock;
  exec_start_ns_ = 0;
  exec_end_ns_ = 0;
}

void Batch::add(Request* request) {
  requests_.push_back(request);
  total_batch_size_ += request->batch_size;
}

void Batch::clear() {
  requests_.clear();
  total_batch_size_ = 0;
  for (auto& lease : gathered_) lease.reset();
  gathered_.clear();
}

bool Batch::input(std::size_t i, std::uint32_t spec, TensorView& view) const {
  const InputTensor* input = requests_[i]->find_input(spec);
  if (input == nullptr) return false;
  view = input->view;
  view.shape = backend_shape(plan_->inputs[spec], input->view.shape, plan_->batching());
  return true;
}

Status Batch::gather(std::uint32_t spec, TensorView& view, BufferLease* lease) {
  view = TensorView{};
  const TensorSpec& tensor = plan_->inputs[spec];
  const InputTensor* first = requests_.empty() ? nullptr : requests_[0]->find_input(spec);
  if (first == nullptr) return {};
  (void)input(0, spec, view);
  if (requests_.size() > 1) {
    std::size_t total = 0;
    std::int64_t rows = 0;
    std::int64_t elements = 0;
    for (auto* request : requests_) {
      const InputTensor* part = request->find_input(spec);
      total += part->view.size_bytes;  // each was received: the sum of what is in memory
      rows += part->view.shape.empty() ? 0 : part->view.shape[0];
      elements += static_cast<std::int64_t>(element_count(part->view.shape).value_or(0));
    }
    BufferLease buffer = pool_->acquire(total);
    if (!buffer) {
      return unavailable("no memory to gather input '" + tensor.name + "' of model '" +
                         plan_->name + "': " + std::to_string(total) + " bytes");
    }
    std::byte* to = buffer->data;
    for (auto* request : requests_) {
      const TensorView& part = request->find_input(spec)->view;
      if (part.size_bytes > 0) std::memcpy(to, part.data, part.size_bytes);
      to += part.size_bytes;
    }
    view.data = buffer->data;
    view.size_bytes = total;
    view.memory = buffer->memory;
    if (!view.shape.empty()) view.shape[0] = rows;
    if (tensor.allow_ragged_batch) view.shape = Shape{elements};
    if (lease != nullptr) *lease = buffer;
    gathered_.append() = std::move(buffer);
  } else {
    if (lease != nullptr) *lease = first->lease;
    if (tensor.allow_ragged_batch) {  // C-4: ragged inputs are flat, also alone
      view.shape = Shape{static_cast<std::int64_t>(element_count(view.shape).value_or(0))};
    }
  }
  return {};
}

Status Batch::set_output(std::size_t i, std::uint32_t spec, const TensorView& view,
                         const BufferLease& lease) {
  const TensorSpec& tensor = plan_->outputs[spec];
  PENSTOCK_RETURN_IF_ERROR(check_type(*plan_, tensor, view));
  PENSTOCK_RETURN_IF_ERROR(check_size(*plan_, tensor, view));
  TensorView out = view;
  PENSTOCK_RETURN_IF_ERROR(client_shape(*plan_, tensor, view.shape, out.shape));
  if (view.type == DataType::kBytes) {
    StringCursor cursor(view.data, view.size_bytes);
    const auto bytes = string_bytes(cursor, element_count(view.shape).value_or(0));
    if (!bytes || *bytes != view.size_bytes) {
      return internal_error("output '" + tensor.name + "' of model '" + plan_->name +
                            "' does not hold the strings that its shape " + to_string(view.shape) +
                            " says");
    }
  }
  if (requests_[i]->wants_output(spec)) append_output(*requests_[i], spec, out, lease);
  return {};
}

Status Batch::scatter(std::uint32_t spec, const TensorView& view, const BufferLease& lease) {
  if (requests_.size() == 1) return set_output(0, spec, view, lease);
  const TensorSpec& tensor = plan_->outputs[spec];
  PENSTOCK_RETURN_IF_ERROR(check_type(*plan_, tensor, view));
  PENSTOCK_RETURN_IF_ERROR(check_size(*plan_, tensor, view));
  TensorView part = view;
  PENSTOCK_RETURN_IF_ERROR(client_shape(*plan_, tensor, view.shape, part.shape));
  if (!plan_->batching() || view.shape[0] != total_batch_size_) {
    return internal_error("output '" + tensor.name + "' of model '" + plan_->name + "' has shape " +
                          to_string(view.shape) + " for a batch of " +
                          std::to_string(total_batch_size_));
  }
  const std::size_t row_bytes =
      total_batch_size_ > 0 ? view.size_bytes / static_cast<std::size_t>(total_batch_size_) : 0;
  const std::uint64_t row_elements =
      total_batch_size_ > 0
          ? element_count(view.shape).value_or(0) / static_cast<std::uint64_t>(total_batch_size_)
          : 0;
  StringCursor cursor(view.data, view.size_bytes);
  for (auto* request : requests_) {
    const auto rows = static_cast<std::uint64_t>(request->batch_size);
    part.shape[0] = request->batch_size;
    // Rows of what is in memory already, so the product is at most view.size_bytes.
    part.size_bytes = row_bytes * rows;
    if (view.type == DataType::kBytes) {
      const auto bytes = string_bytes(cursor, row_elements * rows);
      if (!bytes) {
        return internal_error("output '" + tensor.name + "' of model '" + plan_->name +
                              "' does not hold the strings that its shape says");
      }
      part.size_bytes = *bytes;
    }
    if (request->response.status.ok() && request->wants_output(spec)) {
      append_output(*request, spec, part, lease);
    }
    part.data += part.size_bytes;
  }
  return {};
}

void Batch::fail(std::size_t i, Status status) {
  requests_[i]->response.status = std::move(status);
}

void Batch::fail_all(const Status& status) {
  for (auto* request : requests_) {
    if (request->response.status.ok()) request->response.status = status;
  }
}

}  // namespace penstock
