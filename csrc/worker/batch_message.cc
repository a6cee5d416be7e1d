// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/batch_message.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "worker/message_bytes.h"

namespace penstock::worker {
namespace {

constexpr std::uint64_t kTensorAlignment = 64;

std::uint64_t aligned(std::uint64_t size) {
  return (size + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
}

void write_outputs(const Batch& batch, const Request& request, MessageWriter& to) {
  const ModelPlan& plan = batch.plan();
  if (request.outputs.empty()) return to.put(std::uint32_t{0});
  // The next states of a sequence are wanted, whatever the client wants.
  to.put(static_cast<std::uint32_t>(request.outputs.size() + plan.hidden_outputs));
  for (const RequestedOutput& output : request.outputs) to.put(output.spec);
  for (std::size_t i = plan.client_outputs(); i < plan.outputs.size(); ++i) {
    to.put(static_cast<std::uint32_t>(i));
  }
}

void write_trace(const TraceRecord* record, MessageWriter& to) {
  to.put(record != nullptr);
  if (record == nullptr) return;
  const TraceLink link = record->link();
  to.put(link.id);
  to.put(link.root_id);
  to.put(link.generation);
  to.put(link.wants_tensors);
  to.text(record->context);
}

void read_trace(MessageReader& reader, Request& request) {
  if (!reader.flag()) return;
  request.trace = std::make_unique<TraceRecord>();
  request.trace->id = reader.get<std::uint64_t>();
  request.trace->root_id = reader.get<std::uint64_t>();
  request.trace->generation = reader.get<std::uint64_t>();
  request.trace->wants_tensors = reader.get<std::uint64_t>() != 0;
  request.trace->context = reader.text();
}

}  // namespace

Status BatchEncoder::place(const Batch& batch) {
  const ModelPlan& plan = batch.plan();
  const std::size_t rows = batch.size();
  pieces_.resize(plan.inputs.size() * rows);
  data_bytes_ = 0;
  for (std::uint32_t spec = 0; spec < plan.inputs.size(); ++spec) {
    data_bytes_ = aligned(data_bytes_);
    for (std::size_t row = 0; row < rows; ++row) {
      Piece& piece = pieces_[spec * rows + row];
      piece.present = batch.input(row, spec, piece.view);
      if (!piece.present) {
        if (plan.inputs[spec].source != TensorSource::kControl) continue;
        return unavailable("no memory for the control inputs of model '" + plan.name + "'");
      }
      piece.offset = data_bytes_;
      data_bytes_ += piece.view.size_bytes;  // of what is in memory: no overflow
    }
  }
  return {};
}

void BatchEncoder::write_row(const Batch& batch, std::size_t row, std::uint64_t ticket,
                             MessageWriter& to) {
  const Request& request = batch.request(row);
  const ModelPlan& plan = batch.plan();
  to.put(static_cast<std::uint32_t>(row));
  to.put(ticket);
  to.put(batch.padding(row));
  to.text(request.id);
  to.put(request.correlation_id);
  to.text(request.correlation_id_string);
  to.put(request.flags);
  to.put(request.priority);
  to.put(request.timeout_us);
  to.put(request.deadline_ns);
  to.put(request.batch_size);
  to.parameters(request.parameters);
  write_trace(request.trace.get(), to);
  write_outputs(batch, request, to);
  const std::size_t count = to.hole<std::uint32_t>();
  std::uint32_t written = 0;
  const auto write = [&](std::uint32_t spec) {
    const Piece& piece = pieces_[spec * batch.size() + row];
    if (!piece.present) return;
    to.put(spec);
    to.tensor(piece.view);
    to.put(piece.offset);
    to.put(static_cast<std::uint64_t>(piece.view.size_bytes));
    ++written;
  };
  for (const InputTensor& input : request.inputs) write(input.spec);
  for (std::size_t spec = plan.client_inputs(); spec < plan.inputs.size(); ++spec) {
    write(static_cast<std::uint32_t>(spec));
  }
  to.set(count, written);
}

void BatchEncoder::copy_to(std::byte* to) const {
  for (const Piece& piece : pieces_) {
    if (!piece.present || piece.view.size_bytes == 0) continue;
    std::memcpy(to + piece.offset, piece.view.data, piece.view.size_bytes);
  }
}

Result<BatchEncoder::Encoded> BatchEncoder::encode(Channel& channel, const Batch& batch,
                                                   std::span<const std::uint64_t> tickets,
                                                   const std::vector<bool>& skipped) {
  PENSTOCK_RETURN_IF_ERROR(place(batch));
  MessageWriter writer(scratch_);
  const auto left_out = std::count(skipped.begin(), skipped.end(), true);
  writer.put(static_cast<std::uint32_t>(batch.size() - static_cast<std::size_t>(left_out)));
  for (std::size_t row = 0; row < batch.size(); ++row) {
    if (skipped.empty() || !skipped[row]) write_row(batch, row, tickets[row], writer);
  }
  const std::size_t message_bytes = scratch_.size();
  const std::uint64_t data_at = aligned(message_bytes);
  BufferLease block;
  if (message_bytes <= Channel::kMaxMessageBytes) block = channel.acquire(data_at + data_bytes_);
  if (!block) {
    return unavailable("no memory to hand " + std::to_string(data_at + data_bytes_) +
                       " bytes to a worker process of model '" + batch.plan().name +
                       "': the back end's setting shm-max-byte-size bounds it");
  }
  std::memcpy(block->data, scratch_.data(), message_bytes);
  copy_to(block->data + data_at);
  return Encoded{std::move(block), message_bytes};
}

namespace {

class BatchDecoder {
 public:
  BatchDecoder(const Channel& channel, const Message& message, const ModelPlan& plan)
      : channel_(channel),
        message_(message),
        plan_(plan),
        reader_(message.bytes),
        data_at_(message.offset + aligned(message.bytes.size())) {}

  Status run(RequestPool& pool, std::vector<WorkerRow>& rows) {
    const std::uint32_t count = reader_.count();
    for (std::uint32_t i = 0; i < count && !reader_.failed(); ++i) {
      WorkerRow& row = rows.emplace_back();
      row.request = pool.acquire();
      if (row.request == nullptr) return unavailable("too many requests in a worker process");
      read_row(row);
    }
    if (!reader_.complete()) return invalid_arg("the server sent a batch that is none");
    return {};
  }

 private:
  void read_row(WorkerRow& row) {
    Request& request = *row.request;
    row.number = reader_.get<std::uint32_t>();
    row.ticket = reader_.get<std::uint64_t>();
    row.padding = reader_.flag();
    request.id = reader_.text();
    request.correlation_id = reader_.get<std::uint64_t>();
    request.correlation_id_string = reader_.text();
    request.flags = reader_.get<std::uint32_t>();
    request.priority = reader_.get<std::uint64_t>();
    request.timeout_us = reader_.get<std::uint64_t>();
    request.deadline_ns = reader_.get<std::int64_t>();  // CLOCK_MONOTONIC is the machine's
    request.batch_size = reader_.get<std::int64_t>();
    reader_.parameters(request.parameters);
    read_trace(reader_, request);
    const std::uint32_t outputs = reader_.count();
    for (std::uint32_t i = 0; i < outputs && !reader_.failed(); ++i) {
      const auto spec = reader_.get<std::uint32_t>();
      if (spec >= plan_.outputs.size()) return reader_.fail();
      request.outputs.append().spec = spec;
    }
    const std::uint32_t inputs = reader_.count();
    for (std::uint32_t i = 0; i < inputs && !reader_.failed(); ++i) read_input(request);
  }

  void read_input(Request& request) {
    const auto spec = reader_.get<std::uint32_t>();
    if (spec >= plan_.inputs.size()) return reader_.fail();
    InputTensor& input = request.inputs.append();
    input.spec = spec;
    reader_.tensor(input.view);
    const auto offset = reader_.get<std::uint64_t>();
    const auto size = reader_.get<std::uint64_t>();
    const auto at = checked_add(data_at_, offset);
    input.view.data = at ? channel_.peer_bytes(*at, size) : nullptr;
    input.view.size_bytes = size;
    input.lease = message_.block;
    if (input.view.data == nullptr) reader_.fail();
  }

  const Channel& channel_;
  const Message& message_;
  const ModelPlan& plan_;
  MessageReader reader_;
  const std::uint64_t data_at_;
};

}  // namespace

Status decode_batch(const Channel& channel, const Message& message, const ModelPlan& plan,
                    RequestPool& pool, std::vector<WorkerRow>& rows) {
  return BatchDecoder(channel, message, plan).run(pool, rows);
}

}  // namespace penstock::worker
