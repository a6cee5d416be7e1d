// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/worker_model.h"

#include <cstring>
#include <ctime>
#include <utility>

#include "batch/sequence_rows.h"
#include "penstock/worker.h"
#include "worker/arena_allocator.h"

namespace penstock {

using worker::MessageKind;
using worker::MessageWriter;
using worker::WorkerRow;

namespace {

constexpr std::uint32_t kMaxRequests = 65536;
// Idle output blocks that are kept for the next answers.
constexpr std::size_t kCachedBytes = std::size_t{16} << 20;

// How often who waits for its client looks for a cancellation that it was not told of.
constexpr std::int64_t kLookNs = 100'000'000;

std::uint32_t cell_of(const Request& request) {
  return worker::cell_of(reinterpret_cast<std::uint64_t>(request.tag));
}

void pause_briefly() {
  const timespec pause{0, 200'000};
  nanosleep(&pause, nullptr);
}

}  // namespace

WorkerModel::WorkerModel(std::shared_ptr<const ModelPlan> plan, std::shared_ptr<Engine> engine,
                         std::shared_ptr<worker::SharedMemory> memory)
    : plan_(std::move(plan)),
      engine_(std::move(engine)),
      requests_(kMaxRequests),
      responses_(kMaxRequests),
      channel_(std::move(memory), worker::Side::kWorker, engine_->pool()),
      inbox_(std::make_shared<worker::Inbox>(channel_)),
      sent_(worker::kCells) {}

bool WorkerModel::next(std::uint32_t /*index*/, Batch& batch) {
  batch.begin(*plan_, engine_->pool(), engine_->clock());
  while (inbox_->next(message_)) {
    if (message_.kind == MessageKind::kStop) return false;
    if (message_.kind == MessageKind::kBatch && take_batch(batch)) return true;
  }
  return false;
}

bool WorkerModel::take_batch(Batch& batch) {
  batch_number_ = message_.id;
  const Status status = decode_batch(channel_, message_, *plan_, requests_, rows_);
  message_.block.reset();  // the inputs keep it
  if (status.ok()) {
    add_rows(batch);
    return true;
  }
  for (const WorkerRow& row : rows_) {
    if (row.request != nullptr) requests_.release(row.request);
  }
  rows_.clear();
  post(MessageKind::kExhausted, batch_number_, {});
  return false;
}

void WorkerModel::add_rows(Batch& batch) {
  for (const WorkerRow& row : rows_) {
    Request& request = *row.request;
    request.plan_ = plan_.get();
    request.sink_ = this;
    const std::uint32_t cell = worker::cell_of(row.ticket);
    if (cell < worker::kCells) {
      request.cancelled_elsewhere_ = &channel_.cell(cell).cancelled;
      sent_[cell] = 0;
    }
    request.tag = reinterpret_cast<void*>(row.ticket);
    for (auto state : {RequestState::kQueued, RequestState::kBatched, RequestState::kExecuting}) {
      request.set_state(state);
    }
    plan_->sequences() ? batch.add_row(&request, no_states_, row.padding) : batch.add(&request);
  }
}

void WorkerModel::complete(std::uint32_t /*index*/, Batch& batch) {
  write_answers(batch);
  batch.clear();
  for (const WorkerRow& row : rows_) {
    row.request->deferred_ ? let_go(*row.request) : give_back(*row.request);
  }
  rows_.clear();
}

void WorkerModel::write_answers(Batch& batch) {
  MessageWriter to(scratch_);
  to.put(batch.exec_start_ns());
  to.put(batch.exec_end_ns());
  const std::size_t count = to.hole<std::uint32_t>();
  std::uint32_t written = 0;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const Request& request = *rows_[row].request;
    if (rows_[row].padding || (request.deferred_ && plan_->decoupled)) continue;
    const worker::RowAnswer kind = answer_kind(batch, row);
    to.put(rows_[row].number);
    to.put(kind);
    if (kind == worker::RowAnswer::kResponse) {
      write_response(channel_, *plan_, request.response, to);
    }
    ++written;
  }
  to.set(count, written);
  post(MessageKind::kAnswers, batch_number_, scratch_);
}

worker::RowAnswer WorkerModel::answer_kind(Batch& batch, std::size_t row) const {
  if (rows_[row].request->deferred_) return worker::RowAnswer::kLate;
  const bool again = plan_->sequences() && batch.sequence_rows().rescheduled(row);
  return again ? worker::RowAnswer::kAgain : worker::RowAnswer::kResponse;
}

void WorkerModel::post(MessageKind kind, std::uint64_t id, const std::vector<std::byte>& bytes) {
  BufferLease block;
  if (!bytes.empty()) {
    block = channel_.acquire(bytes.size());
    if (block) {
      std::memcpy(block->data, bytes.data(), bytes.size());
    } else {
      kind = MessageKind::kExhausted;
    }
  }
  const std::size_t size = block ? bytes.size() : 0;
  // Full: the server will take messages, or end, and this process with it.
  while (!channel_.post(kind, id, block, size)) {
    channel_.wake();
    pause_briefly();
  }
  channel_.wake();
}

void WorkerModel::let_go(Request& request) {
  if (!request.holds_.drop()) return;
  // The server knows by now that it comes late.
  if (!plan_->decoupled) post_response(request, request.response, true);
  give_back(request);
}

void WorkerModel::give_back(Request& request) {
  request.set_state(RequestState::kDone);
  requests_.release(&request);
}

void WorkerModel::start(std::uint32_t, std::unique_ptr<NativeInstance>) {}

Status WorkerModel::warm_up(std::uint32_t, std::span<const std::vector<WarmUpInput>>) {
  return unsupported("a worker process is warmed up by its server");
}

Status WorkerModel::end_instance(std::uint32_t) {
  return unsupported("a worker process has one instance, which ends with it");
}

Result<Response*> WorkerModel::begin_response(Request& request) {
  for (;;) {
    auto begun = try_begin_response(request);
    if (!begun.ok() || begun.value() != nullptr) return begun;
    worker::RequestCell& cell = channel_.cell(cell_of(request));
    const std::uint32_t read = cell.read.load();
    cell.waiting.store(1);  // before the second look: pairs with the exchange after the count
    begun = try_begin_response(request);
    if (!begun.ok() || begun.value() != nullptr) return begun;
    worker::futex_wait(cell.read, read, RealClock().now_ns() + kLookNs);
  }
}

Result<Response*> WorkerModel::try_begin_response(Request& request) {
  if (request.cancelled()) return Status(Code::kCancelled, "");
  const std::uint32_t cell = cell_of(request);
  if (plan_->decoupled &&
      sent_[cell] - channel_.cell(cell).read.load() >= plan_->response_capacity) {
    return static_cast<Response*>(nullptr);
  }
  Response* response = responses_.acquire();
  if (response == nullptr) return unavailable("too many responses in a worker process");
  response->request = &request;
  return response;
}

void WorkerModel::send(Request& request, Response* response) {
  ++sent_[cell_of(request)];
  post_response(request, *response, false);
  responses_.release(response);
}

void WorkerModel::finish(Request& request, Response* last, Status status) {
  Response& response = request.response;
  if (last != nullptr) {
    std::swap(response.outputs, last->outputs);
    std::swap(response.parameters, last->parameters);
    responses_.release(last);
  }
  response.status = std::move(status);
  response.answered = true;
  response.flags_only = last == nullptr && response.status.ok();
  if (plan_->decoupled) post_response(request, response, true);
  let_go(request);
}

void WorkerModel::post_response(const Request& request, const Response& response, bool final) {
  std::lock_guard lock(responses_mutex_);
  MessageWriter to(response_scratch_);
  to.put(final);
  to.put(final && response.flags_only);
  write_response(channel_, *plan_, response, to);
  post(MessageKind::kResponse, reinterpret_cast<std::uint64_t>(request.tag), response_scratch_);
}

Result<WorkerEnd> attach_worker(int fd, std::shared_ptr<const ModelPlan> plan,
                                const WorkerOptions& options) {
  auto memory = worker::SharedMemory::attach(fd);
  if (!memory.ok()) return memory.take_status();
  EngineOptions engine;
  engine.pool.max_cached_bytes = kCachedBytes;
  engine.allocator = std::make_shared<worker::ArenaAllocator>(
      memory.value(), true, worker::ArenaOptions{options.initial_bytes, options.growth_bytes});
  auto made = std::make_shared<Engine>(std::move(engine));
  auto model = std::make_shared<WorkerModel>(std::move(plan), made, std::move(memory.value()));
  // A call that outlives its model keeps it.
  std::shared_ptr<CallPort> calls(model, model->inbox().get());
  return WorkerEnd{std::move(made), std::move(model), std::move(calls)};
}

}  // namespace penstock
