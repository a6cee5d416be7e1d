// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/response_streams.h"

#include <utility>

namespace penstock::worker {

// Counts, where the worker sees it, the responses that a client has taken. Outlives the process
// when a response does.
class CellReader final : public ResponseReader {
 public:
  CellReader(std::shared_ptr<SharedMemory> memory, std::uint32_t cell)
      : memory_(std::move(memory)), cell_(memory_->control().cells[cell]) {}

  void response_read() override {
    std::lock_guard lock(mutex_);
    if (!active_) return;
    cell_.read.fetch_add(1);
    wake();
  }
  void cancel() {
    if (cell_.cancelled.exchange(1) == 0) wake();
  }
  // The cell is somebody else's from now on.
  void stop() {
    std::lock_guard lock(mutex_);
    active_ = false;
  }

 private:
  void wake() {
    if (cell_.waiting.exchange(0) != 0) futex_wake(cell_.read);
  }

  const std::shared_ptr<SharedMemory> memory_;
  RequestCell& cell_;
  std::mutex mutex_;
  bool active_ = true;
};

namespace {

constexpr std::uint64_t kCellMask = UINT32_MAX;

}  // namespace

ResponseStreams::ResponseStreams(std::shared_ptr<const ModelPlan> plan, Channel& channel,
                                 BufferPool& copies)
    : plan_(std::move(plan)), channel_(channel), copies_(copies) {}

ResponseStreams::~ResponseStreams() {
  fail_all(unavailable("the worker process of model '" + plan_->name + "' is there no more"));
}

std::uint64_t ResponseStreams::open(Responder& responder) {
  std::lock_guard lock(mutex_);
  if (free_.empty()) {
    if (streams_.size() == kCells) return kNoTicket;
    free_.push_back(static_cast<std::uint32_t>(streams_.size()));
    streams_.emplace_back();
  }
  const std::uint32_t cell = free_.back();
  free_.pop_back();
  Stream& stream = streams_[cell];
  stream.ticket = (++serial_ << 32) | cell;
  stream.responder = std::move(responder);
  stream.reader = std::make_shared<CellReader>(channel_.memory(), cell);
  RequestCell& shared = channel_.cell(cell);
  shared.cancelled.store(0);
  shared.waiting.store(0);
  shared.read.store(0);
  stream.responder.set_reader(stream.reader);
  ++open_;
  return stream.ticket;
}

ResponseStreams::Stream* ResponseStreams::find(std::uint64_t ticket) {
  const std::uint64_t cell = ticket & kCellMask;
  if (cell >= streams_.size() || streams_[cell].ticket != ticket) return nullptr;
  return &streams_[cell];
}

void ResponseStreams::close(Stream& stream) {
  stream.reader->stop();
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
  responder.set_reader(nullptr);
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
  if (stream == nullptr) return true;  // it was given up meanwhile
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
    stream.reader->response_read();
    return true;
  }
  if (begun.value() == nullptr) return false;
  fill(stream, *begun.value());
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
    if (stream.ticket != kNoTicket && stream.responder.cancelled()) stream.reader->cancel();
  }
}

void ResponseStreams::fail_all(const Status& failure) {
  std::lock_guard lock(mutex_);
  for (Stream& stream : streams_) {
    if (stream.ticket == kNoTicket) continue;
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
