// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/answer_message.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace penstock::worker {
namespace {

struct Lent {
  std::uint64_t offset = 0;
  std::uint32_t slot = kNoSlot;
};

// Where the server finds the bytes: as they are when they lie in the worker's arena, else copied
// there. False when there is no memory.
bool lend_output(Channel& channel, const OutputTensor& output, Lent& lent) {
  if (output.view.size_bytes == 0) return true;
  BufferLease block = output.lease;
  const std::byte* data = output.view.data;
  if (!block || !channel.own(data, output.view.size_bytes)) {
    block = channel.acquire(output.view.size_bytes);
    if (!block) return false;
    std::memcpy(block->data, data, output.view.size_bytes);
    data = block->data;
  }
  lent.offset = channel.offset_of(data);
  lent.slot = channel.lend(std::move(block));
  return lent.slot != kNoSlot;
}

Status exhausted(const ModelPlan& plan, const OutputTensor& output) {
  return unavailable("no memory for " + std::to_string(output.view.size_bytes) +
                     " bytes of output '" + plan.outputs[output.spec].name +
                     "' in a worker process of model '" + plan.name +
                     "': the back end's setting shm-max-byte-size bounds it");
}

void write_status(const Status& status, MessageWriter& to) {
  to.put(static_cast<std::uint8_t>(status.ok() ? 0 : static_cast<int>(status.code()) + 1));
  if (!status.ok()) to.text(status.message());
}

Status read_status(MessageReader& reader) {
  const auto code = reader.get<std::uint8_t>();
  if (code == 0) return {};
  if (code > kCodeCount) {
    reader.fail();
    return {};
  }
  return {static_cast<Code>(code - 1), std::string(reader.text())};
}

// Bytes that must not change any more once they were looked at: their lengths lie among them.
bool must_copy(const ModelPlan& plan, const AnsweredOutput& output) {
  return output.view.type == DataType::kBytes || plan.state_of_output(output.spec) >= 0;
}

void read_output(const Channel& channel, const ModelPlan& plan, BufferPool& pool,
                 MessageReader& reader, AnsweredOutput& output, Status& answer_status) {
  output.spec = reader.get<std::uint32_t>();
  reader.tensor(output.view);
  const auto offset = reader.get<std::uint64_t>();
  const auto size = reader.get<std::uint64_t>();
  const auto slot = reader.get<std::uint32_t>();
  if (reader.failed() || output.spec >= plan.outputs.size()) return reader.fail();
  output.view.size_bytes = size;
  if (size == 0) return;
  output.view.data = channel.peer_bytes(offset, size);
  output.lease = channel.borrow(slot, output.view.data, size);
  if (output.view.data == nullptr || !output.lease) return reader.fail();
  if (!must_copy(plan, output)) return;
  BufferLease copy = pool.acquire(size);
  if (!copy) {
    answer_status =
        unavailable("no memory to copy output '" + plan.outputs[output.spec].name + "'");
    return;
  }
  std::memcpy(copy->data, output.view.data, size);
  output.view.data = copy->data;
  output.lease = std::move(copy);
}

}  // namespace

void write_response(Channel& channel, const ModelPlan& plan, const Response& response,
                    MessageWriter& to) {
  const std::size_t begin = to.bytes().size();
  std::vector<std::uint32_t> slots;
  write_status(response.status, to);
  to.put(response.answered);
  to.parameters(response.parameters);
  if (!response.status.ok()) return to.put(std::uint32_t{0});
  to.put(static_cast<std::uint32_t>(response.outputs.size()));
  for (const OutputTensor& output : response.outputs) {
    Lent lent;
    if (!lend_output(channel, output, lent)) {
      for (const std::uint32_t slot : slots) channel.take_back(slot);
      to.cut(begin);
      write_status(exhausted(plan, output), to);
      to.put(true);
      to.put(std::uint32_t{0});
      return to.put(std::uint32_t{0});
    }
    to.put(output.spec);
    to.tensor(output.view);
    to.put(lent.offset);
    to.put(static_cast<std::uint64_t>(output.view.size_bytes));
    to.put(lent.slot);
    if (lent.slot != kNoSlot) slots.push_back(lent.slot);
  }
}

void read_response(const Channel& channel, const ModelPlan& plan, BufferPool& pool,
                   MessageReader& reader, Answer& answer) {
  answer.status = read_status(reader);
  answer.answered = reader.flag();
  answer.parameters.clear();
  answer.outputs.clear();
  reader.parameters(answer.parameters);
  const std::uint32_t count = reader.count();
  if (count > plan.outputs.size()) return reader.fail();
  for (std::uint32_t i = 0; i < count && !reader.failed(); ++i) {
    const auto& output = answer.outputs.emplace_back();
    read_output(channel, plan, pool, reader, answer.outputs.back(), answer.status);
    const bool again = std::any_of(answer.outputs.begin(), answer.outputs.end() - 1,
                                   [&](const auto& other) { return other.spec == output.spec; });
    if (again) reader.fail();
  }
}

}  // namespace penstock::worker
