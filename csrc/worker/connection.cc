// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/connection.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "sync/request_thread.h"

namespace penstock::worker {
namespace {

// How often a waiting server looks for cancelled requests.
constexpr std::int64_t kLookNs = 25'000'000;
// Idle blocks that are kept for the next batches.
constexpr std::size_t kCachedBytes = std::size_t{16} << 20;

BufferPoolOptions pool_options() {
  BufferPoolOptions options;
  options.min_class_bytes = 1024;
  options.max_cached_bytes = kCachedBytes;
  return options;
}

std::int64_t now_ns() { return RealClock().now_ns(); }

}  // namespace

Connection::Connection(std::shared_ptr<const ModelPlan> plan, const WorkerOptions& options,
                       std::shared_ptr<SharedMemory> memory, BufferPool& copies,
                       std::shared_ptr<ModelCalls> calls)
    : plan_(std::move(plan)),
      options_(options),
      memory_(std::move(memory)),
      copies_(copies),
      blocks_(std::make_unique<ArenaAllocator>(
                  memory_, false, ArenaOptions{options_.initial_bytes, options_.growth_bytes}),
              pool_options()),
      channel_(memory_, Side::kServer, blocks_),
      calls_(std::move(calls), plan_, channel_),
      streams_(plan_, channel_, copies_) {
  if (plan_->decoupled) start_receiving();
}

Connection::~Connection() {
  ending_.store(true);
  channel_.interrupt();
  if (receiver_.joinable()) receiver_.join();
  calls_.stop();
}

// ---------------------------------------------------------------- out

Outcome Connection::execute(Batch& batch, std::span<Responder> responders,
                            const std::vector<bool>& skipped) {
  batch.mark_exec_start();
  executing_.store(true);
  Status status = open_rows(batch, responders);
  if (status.ok()) status = send(batch, skipped);
  Outcome outcome = Outcome::kAnswered;
  if (status.ok()) {
    outcome = wait_answers(batch, responders);
  } else {
    take_back_rows(responders);
    for (Responder& responder : responders) {
      if (!responder.finished()) responder.finish(nullptr, Status(status.code(), status.message()));
    }
    batch.fail_all(status);
  }
  executing_.store(false);
  finish_retiring();
  return outcome;
}

Status Connection::open_rows(const Batch& batch, std::span<Responder> responders) {
  tickets_.assign(batch.size(), kNoTicket);
  for (std::size_t row = 0; row < batch.size(); ++row) {
    if (responders.empty()) {
      tickets_[row] = row_ticket(row);
      if (tickets_[row] == kNoTicket) break;
      channel_.cell(cell_of(tickets_[row])).cancelled.store(0);
    } else if (!responders[row].finished()) {
      tickets_[row] = streams_.open(responders[row]);
      if (tickets_[row] == kNoTicket) {
        return unavailable("too many requests are open in a worker process of model '" +
                           plan_->name + "'");
      }
    }
  }
  return {};
}

std::uint64_t Connection::row_ticket(std::size_t row) {
  if (row_tickets_.size() <= row) row_tickets_.resize(row + 1, kNoTicket);
  if (row_tickets_[row] == kNoTicket) row_tickets_[row] = streams_.reserve();
  return row_tickets_[row];
}

void Connection::take_back_rows(std::span<Responder> responders) {
  for (std::size_t row = 0; row < responders.size(); ++row) {
    if (tickets_[row] != kNoTicket) responders[row] = streams_.take_back(tickets_[row]);
  }
}

Status Connection::send(Batch& batch, const std::vector<bool>& skipped) {
  auto encoded = encoder_.encode(channel_, batch, tickets_, skipped);
  if (!encoded.ok()) return encoded.take_status();
  const std::size_t size = encoded.value().message_bytes;
  {
    std::lock_guard lock(returned_mutex_);
    has_returned_ = false;
    ++batch_number_;
  }
  if (!channel_.post(MessageKind::kBatch, batch_number_, std::move(encoded.value().block), size)) {
    return unavailable("a worker process of model '" + plan_->name + "' does not take batches");
  }
  channel_.wake();
  return {};
}

// ---------------------------------------------------------------- in

Outcome Connection::wait_answers(Batch& batch, std::span<Responder> responders) {
  const std::int64_t timeout = options_.execute_timeout_ns;
  const std::int64_t deadline = timeout > 0 ? now_ns() + timeout : kNoDeadline;
  for (;;) {
    const Seen seen = look(batch, responders);
    if (seen == Seen::kAnswers) {
      answered_.fetch_add(1);
      return Outcome::kAnswered;
    }
    if (seen == Seen::kBroken) {
      kill("it sent a message that is none");
      batch.fail_all(unavailable("a worker process of model '" + plan_->name +
                                 "' sent a message that is none, and was ended"));
      return Outcome::kAnswered;
    }
    if (is_lost()) {
      const bool untaken = channel_.untaken() > 0;
      take_back_rows(responders);
      return untaken ? Outcome::kLostUntaken : Outcome::kLost;
    }
    const std::int64_t now = now_ns();
    if (now >= deadline) {
      too_slow_.store(true);
      kill("execute took longer than EXECUTE_TIMEOUT_MS (" + std::to_string(timeout / 1'000'000) +
           " ms)");
      continue;
    }
    wait(std::min(deadline, now + kLookNs));
    if (responders.empty()) pass_cancels(batch);
  }
}

Connection::Seen Connection::look(Batch& batch, std::span<Responder> responders) {
  if (receiver_.joinable()) {
    std::lock_guard lock(returned_mutex_);
    if (!has_returned_) return Seen::kNothing;
  } else if (const Seen seen = take_one(message_); seen != Seen::kAnswers) {
    return seen;
  }
  if (message_.kind == MessageKind::kExhausted) {
    const Status status =
        unavailable("no memory for the answers of a worker process of model '" + plan_->name + "'");
    take_back_rows(responders);
    for (Responder& responder : responders) {
      if (!responder.finished()) responder.finish(nullptr, Status(status.code(), status.message()));
    }
    batch.fail_all(status);
    return Seen::kAnswers;
  }
  return take_answers(batch, responders) ? Seen::kAnswers : Seen::kBroken;
}

void Connection::wait(std::int64_t until_ns) {
  if (!receiver_.joinable()) return channel_.wait(until_ns);
  std::unique_lock lock(returned_mutex_);
  returned_changed_.wait_for(
      lock, std::chrono::nanoseconds(std::max<std::int64_t>(until_ns - now_ns(), 0)),
      [this] { return has_returned_ || is_lost(); });
}

// kAnswers: `message` is what the batch waits for.
Connection::Seen Connection::take_one(Message& message) {
  do {
    switch (channel_.take(message)) {
      case Channel::Taken::kNothing:
        return Seen::kNothing;
      case Channel::Taken::kBroken:
        return Seen::kBroken;
      case Channel::Taken::kOne:
        break;
    }
  } while (calls_.take(message));
  const bool answers =
      message.kind == MessageKind::kAnswers || message.kind == MessageKind::kExhausted;
  return answers && message.id == batch_number_ ? Seen::kAnswers : Seen::kBroken;
}

void Connection::start_receiving() {
  receiver_ = std::thread([this] {
    begin_request_thread("worker-receive");
    receive();
  });
}

void Connection::receive() {
  while (!ending_.load()) {
    // execute() takes back what it has opened, and answers it or tries again.
    if (is_lost() && !executing_.load()) return streams_.fail_all(failure());
    if (!is_lost()) receive_one();
    channel_.wait(now_ns() + kLookNs);
    streams_.pass_cancels();
  }
}

void Connection::receive_one() {
  Message message;
  for (;;) {
    switch (channel_.take(message)) {
      case Channel::Taken::kNothing:
        return;
      case Channel::Taken::kBroken:
        return kill("it sent a message that is none");
      case Channel::Taken::kOne:
        break;
    }
    if (message.kind == MessageKind::kResponse) {
      if (!streams_.take(message)) return kill("it sent a response that is none, or one too many");
      finish_retiring();
      continue;
    }
    if (!calls_.take(message) && !hand_over(message)) return kill("it sent a message that is none");
  }
}

// To the instance's thread, which waits for it.
bool Connection::hand_over(Message& message) {
  const bool answers =
      message.kind == MessageKind::kAnswers || message.kind == MessageKind::kExhausted;
  std::lock_guard lock(returned_mutex_);
  if (!answers || message.id != batch_number_ || has_returned_) return false;
  std::swap(message_, message);
  has_returned_ = true;
  returned_changed_.notify_all();
  return true;
}

bool Connection::take_answers(Batch& batch, std::span<Responder> responders) {
  MessageReader reader(message_.bytes);
  const auto start = reader.get<std::int64_t>();
  const auto end = reader.get<std::int64_t>();
  const std::uint32_t count = reader.count();
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto row = reader.get<std::uint32_t>();
    const auto kind = static_cast<RowAnswer>(reader.get<std::uint8_t>());
    if (reader.failed() || row < next || row >= batch.size() || kind > RowAnswer::kLate) {
      return false;
    }
    next = row + 1;
    if (kind == RowAnswer::kAgain) {
      take_again(batch, row, responders);
      continue;
    }
    if (kind == RowAnswer::kLate) {
      if (!take_late(batch, row, responders)) return false;
      continue;
    }
    read_response(channel_, *plan_, copies_, reader, answer_);
    if (reader.failed()) return false;
    take_answer(batch, row, responders);
  }
  const std::int64_t now = now_ns();
  const std::int64_t from = std::clamp(start, batch.exec_start_ns(), now);
  batch.mark_exec(from, std::clamp(end, from, now));
  message_.block.reset();
  return reader.complete();
}

bool Connection::take_late(Batch& batch, std::size_t row, std::span<Responder> responders) {
  if (!responders.empty() || batch.padding(row)) return false;
  const std::uint64_t ticket = tickets_[row];
  if (ticket == kNoTicket) {
    batch.fail(row, unavailable("too many requests are open in a worker process of model '" +
                                plan_->name + "'"));
    return true;
  }
  row_tickets_[row] = kNoTicket;
  Responder responder = batch.defer(row);
  streams_.open(ticket, responder);
  if (!receiver_.joinable()) start_receiving();
  return true;
}

void Connection::take_again(Batch& batch, std::size_t row, std::span<Responder> responders) {
  Responder responder;
  if (!responders.empty()) responder = streams_.take_back(tickets_[row]);
  Responder* const deferred = responders.empty() ? nullptr : &responder;
  if (deferred != nullptr && responder.finished()) return;  // it has answered already
  Status status = batch.reschedule(row, deferred);
  if (status.ok()) return;
  if (deferred != nullptr && !responder.finished()) {
    responder.finish(nullptr, std::move(status));
  } else {
    batch.fail(row, std::move(status));
  }
}

void Connection::take_answer(Batch& batch, std::size_t row, std::span<Responder> responders) {
  if (!responders.empty()) {  // it never reached the model
    Responder responder = streams_.take_back(tickets_[row]);
    if (!responder.finished()) responder.finish(nullptr, std::move(answer_.status));
    return;
  }
  if (!answer_.status.ok()) return batch.fail(row, std::move(answer_.status));
  if (answer_.answered) batch.answer(row);
  for (const AnsweredOutput& output : answer_.outputs) {
    Status status = batch.set_output(row, output.spec, output.view, output.lease);
    if (status.ok()) continue;
    batch.fail(row, std::move(status));
    break;
  }
  answer_.outputs.clear();
  if (batch.padding(row)) return;
  auto& parameters = batch.request(row).response.parameters;
  for (const Parameter& parameter : answer_.parameters) parameters.append() = parameter;
}

void Connection::pass_cancels(const Batch& batch) {
  for (std::size_t row = 0; row < batch.size(); ++row) {
    if (tickets_[row] == kNoTicket || !batch.request(row).cancelled()) continue;
    channel_.cell(cell_of(tickets_[row])).cancelled.store(1);
  }
}

// ---------------------------------------------------------------- the end

std::string Connection::why() const {
  std::lock_guard lock(why_mutex_);
  return why_;
}

Status Connection::failure() const {
  return {too_slow_.load() ? Code::kDeadlineExceeded : Code::kUnavailable,
          "Failed to process the request(s) for model '" + options_.name +
              "', message: its worker process ended: " + why()};
}

std::uint64_t Connection::in_flight() const {
  return (executing_.load() ? 1 : 0) + streams_.size();
}

void Connection::lost(std::string why) {
  pidfd_.store(-1);
  {
    std::lock_guard lock(why_mutex_);
    if (why_.empty()) why_ = std::move(why);
  }
  {
    std::lock_guard lock(returned_mutex_);
    lost_.store(true);
  }
  returned_changed_.notify_all();
  channel_.interrupt();
  calls_.stop();
}

void Connection::kill(std::string why) {
  {
    // First: the supervisor will see no more than a signal, and may do so at once.
    std::lock_guard lock(why_mutex_);
    if (why_.empty()) why_ = std::move(why);
  }
  const int pidfd = pidfd_.load();
  if (pidfd >= 0) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
  lost({});
}

void Connection::close() {
  (void)channel_.post(MessageKind::kStop, 0, {}, 0);  // full: it does not read, and will be killed
  channel_.wake();
}

void Connection::retire() {
  retiring_.store(true);
  finish_retiring();
}

void Connection::finish_retiring() {
  if (retiring_.load() && in_flight() == 0 && retiring_.exchange(false)) close();
}

}  // namespace penstock::worker
