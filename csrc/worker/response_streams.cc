// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/response_streams.h"

#include <utility>

namespace penstock::worker {

// How many responses a request's client has not taken yet, told to whichever worker process has the
// request: a step of an iterative sequence after the other (S-31), or the next process. Outlives
// the process when a response does.
class CellReader final : public ResponseReader {
 public:
  void move_to(std::shared_ptr<SharedMemory> memory, std::uint32_t cell) {
    std::lock_guard lock(mutex_);
    memory_ = std::move(memory);
    cell_ = &memory_->control().cells[cell];
    cell_->cancelled.store(0);
    cell_->waiting.store(0);
    cell_->read.store(0 - unread_);  // the worker counts from 0 what it has sent
  }
  // The cell is somebody else's from now on.
  void leave() {
    std::lock_guard lock(mutex_);
    cell_ = nullptr;
    memory_.reset();
  }
  // Before it is: it may be read at once.
  void response_sent() {
    std::lock_guard lock(mutex_);
    ++unread_;
  }
  void response_read() override {
    std::lock_guard lock(mutex_);
    --unread_;
    tell();
  }
  // One that nobody waits for.
  void response_dropped() {
    std::lock_guard lock(mutex_);
    tell();
  }
  void cancel() {
    std::lock_guard lock(mutex_);
    if (cell_ != nullptr && cell_->cancelled.exchange(1) == 0) wake();
  }

 private:
  void tell() {
    if (cell_ == nullptr) return;
    cell_->read.fetch_add(1);
    wake();
  }
  void wake() {
    if (cell_->waiting.exchange(0) != 0) futex_wake(cell_->read);
  }

  std::mutex mutex_;  // guards what follows
  std::shared_ptr<SharedMemory> memory_;
  RequestCell* cell_ = nullptr;
  std::uint32_t unread_ = 0;
};

namespace {

constexpr std::uint64_t kCellMask = UINT32_MAX;

// The request's, for good: a client on another thread calls it from its first response on.
std::shared_ptr<CellReader> reader_of(Responder& responder) {
  if (responder.reader() == nullptr) responder.set_reader(std::make_shared<CellReader>());
  return std::static_pointer_cast<CellReader>(responder.reader());
}

}  // namespace

ResponseStreams::ResponseStreams(std::shared_ptr<const ModelPlan> plan, Channel& channel,
                                 BufferPool& copies)
    : plan_(std::move(plan)), channel_(channel), copies_(copies) {}

ResponseStreams::~ResponseStreams() {
  fail_all(unavailable("the worker process of model '" + plan_->name + "' is there no more"));
}

std::uint64_t ResponseStreams::reserve() {
  std::lock_guard lock(mutex_);
  return reserve_cell();
}

void ResponseStreams::open(std::uint64_t reserved, Responder& responder) {
  std::lock_guard lock(mutex_);
  open_stream(*find(reserved), responder);
}

std::uint64_t ResponseStreams::open(Responder& responder) {
  std::lock_guard lock(mutex_);
  const std::uint64_t ticket = reserve_cell();
  if (ticket != kNoTicket) open_stream(*find(ticket), responder);
  return ticket;
}

std::uint64_t ResponseStreams::reserve_cell() {
  if (free_.empty()) {
    if (streams_.size() == kCells) return kNoTicket;
    free_.push_back(static_cast<std::uint32_t>(streams_.size()));
    streams_.emplace_back();
  }
  const std::uint32_t cell = free_.back();
  free_.pop_back();
  return streams_[cell].ticket = (++serial_ << 32) | cell;
}

void ResponseStreams::open_stream(Stream& stream, Responder& responder) {
  stream.responder = std::move(responder);
  stream.reader = reader_of(stream.responder);
  stream.reader->move_to(channel_.memory(), cell_of(stream.ticket));
  ++open_;
}

ResponseStreams::Stream* ResponseStreams::find(std::uint64_t ticket) {
  const std::uint64_t cell = ticket & kCellMask;
  if (cell >= streams_.size() || streams_[cell].ticket != ticket) return nullptr;
  return &streams_[cell];
}

void ResponseStreams::close(Stream& stream) {
  stream.reader->leave();
  stream.reader.reset();
  free_.push_back(static_cast<std::uint32_t>(stream.ticket & kCellMask));
  stream.ticket = kNoTicket;
  --open_;
}

Responder ResponseStreams::take_back(std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  Stream* stream = find(ticket);
  if (stream == nullptr) return {};
  Responder responder = std::move(stream->responder);
  close(*stream);
  return responder;
}

bool ResponseStreams::take(const Message& message) {
  std::lock_guard lock(mutex_);
  MessageReader reader(message.bytes);
  const bool final = reader.flag();
  const bool bare = reader.flag();
  read_response(channel_, *plan_, copies_, reader, answer_);
  if (!reader.complete()) return false;
  Stream* stream = find(message.id);
  if (stream == nullptr || !stream->reader) return true;  // it was given up meanwhile
  if (!final && !plan_->decoupled) return false;
  const bool kept = final ? finish(*stream, bare) : send(*stream);
  answer_.outputs.clear();
  return kept;
}

void ResponseStreams::fill(Stream& stream, Response& response) {
  response.status = std::move(answer_.status);
  for (const AnsweredOutput& output : answer_.outputs) {
    if (!response.status.ok()) break;
    response.status = stream.responder.set_output(response, output.spec, output.view, output.lease);
  }
  for (const Parameter& parameter : answer_.parameters) response.parameters.append() = parameter;
}

bool ResponseStreams::send(Stream& stream) {
  auto begun = stream.responder.try_begin();
  if (!begun.ok()) {  // nobody waits for it: taken
    stream.reader->response_dropped();
    return true;
  }
  if (begun.value() == nullptr) return false;
  fill(stream, *begun.value());
  stream.reader->response_sent();
  stream.responder.send(begun.value());
  return true;
}

bool ResponseStreams::finish(Stream& stream, bool bare) {
  Responder responder = std::move(stream.responder);
  close(stream);
  if (responder.cancelled()) {
    responder.finish(nullptr, Status(Code::kCancelled, ""));
    return true;
  }
  if (bare || !answer_.status.ok()) {
    responder.finish(nullptr, std::move(answer_.status));
    return true;
  }
  auto begun = responder.try_begin();
  if (!begun.ok()) {
    responder.finish(nullptr, begun.take_status());
    return true;
  }
  if (begun.value() == nullptr) {
    responder.finish(nullptr, unavailable("its worker process sent too many responses"));
    return false;
  }
  stream.responder = std::move(responder);
  fill(stream, *begun.value());
  Status status = std::move(begun.value()->status);
  std::exchange(stream.responder, Responder()).finish(begun.value(), std::move(status));
  return true;
}

void ResponseStreams::pass_cancels() {
  std::lock_guard lock(mutex_);
  for (Stream& stream : streams_) {
    if (stream.reader && stream.responder.cancelled()) stream.reader->cancel();
  }
}

void ResponseStreams::fail_all(const Status& failure) {
  std::lock_guard lock(mutex_);
  for (Stream& stream : streams_) {
    if (!stream.reader) continue;
    Responder responder = std::move(stream.responder);
    close(stream);
    responder.finish(nullptr, Status(failure.code(), failure.message()));
  }
}

std::size_t ResponseStreams::size() const {
  std::lock_guard lock(mutex_);
  return open_;
}

}  // namespace penstock::worker
