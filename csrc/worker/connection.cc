// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/connection.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

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

}  // namespace

Connection::Connection(std::shared_ptr<const ModelPlan> plan, const WorkerOptions& options,
                       std::shared_ptr<SharedMemory> memory, BufferPool& copies)
    : plan_(std::move(plan)),
      options_(options),
      memory_(std::move(memory)),
      copies_(copies),
      blocks_(std::make_unique<ArenaAllocator>(
                  memory_, false, ArenaOptions{options_.initial_bytes, options_.growth_bytes}),
              pool_options()),
      channel_(memory_, Side::kServer, blocks_) {}

Connection::~Connection() = default;

std::string Connection::why() const {
  std::lock_guard lock(why_mutex_);
  return why_;
}

void Connection::lost(std::string why) {
  pidfd_.store(-1);
  {
    std::lock_guard lock(why_mutex_);
    if (why_.empty()) why_ = std::move(why);
  }
  lost_.store(true);
  channel_.interrupt();
}

void Connection::close() {
  (void)channel_.post(MessageKind::kStop, 0, {}, 0);  // full: it does not read, and will be killed
  channel_.wake();
}

void Connection::kill(std::string why) {
  const int pidfd = pidfd_.load();
  if (pidfd >= 0) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
  lost(std::move(why));
}

void Connection::name_cells(std::size_t rows) {
  cells_.resize(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    cells_[row] = row < kCells ? static_cast<std::uint32_t>(row) : kNoCell;
    if (row < kCells) channel_.cell(cells_[row]).cancelled.store(0);
  }
}

bool Connection::send(Batch& batch, Status& failed) {
  name_cells(batch.size());
  auto encoded = encoder_.encode(channel_, batch, cells_);
  if (!encoded.ok()) {
    failed = encoded.take_status();
    return false;
  }
  const std::size_t size = encoded.value().message_bytes;
  if (!channel_.post(MessageKind::kBatch, ++batch_number_, std::move(encoded.value().block),
                     size)) {
    failed = unavailable("a worker process of model '" + plan_->name + "' does not take batches");
    return false;
  }
  channel_.wake();
  return true;
}

Outcome Connection::execute(Batch& batch) {
  Status failed;
  batch.mark_exec_start();
  if (!send(batch, failed)) {
    batch.fail_all(failed);
    return Outcome::kAnswered;
  }
  in_flight_.store(batch.requests().size());
  const RealClock clock;
  const std::int64_t begun = clock.now_ns();
  const std::int64_t timeout = options_.execute_timeout_ns;
  const std::int64_t deadline = timeout > 0 ? begun + timeout : kNoDeadline;
  Outcome outcome = Outcome::kAnswered;
  for (;;) {
    const Seen seen = drain(batch);
    if (seen == Seen::kAnswers) {
      answered_.fetch_add(1);
      break;
    }
    if (seen == Seen::kBroken) {
      kill("it sent a message that is none");
      batch.fail_all(unavailable("a worker process of model '" + plan_->name +
                                 "' sent a message that is none, and was ended"));
      break;
    }
    if (is_lost()) {
      outcome = channel_.untaken() > 0 ? Outcome::kLostUntaken : Outcome::kLost;
      break;
    }
    const std::int64_t now = clock.now_ns();
    if (now >= deadline) {
      kill("execute took longer than EXECUTE_TIMEOUT_MS (" + std::to_string(timeout / 1'000'000) +
           " ms)");
      outcome = Outcome::kLost;
      break;
    }
    channel_.wait(std::min(deadline, now + kLookNs));
    pass_cancels(batch);
  }
  in_flight_.store(0);
  return outcome;
}

void Connection::pass_cancels(const Batch& batch) {
  for (std::size_t row = 0; row < std::min<std::size_t>(batch.size(), kCells); ++row) {
    if (batch.request(row).cancelled()) channel_.cell(cells_[row]).cancelled.store(1);
  }
}

Connection::Seen Connection::drain(Batch& batch) {
  for (;;) {
    switch (channel_.take(message_)) {
      case Channel::Taken::kNothing:
        return Seen::kNothing;
      case Channel::Taken::kBroken:
        return Seen::kBroken;
      case Channel::Taken::kOne:
        break;
    }
    const bool ours = message_.id == batch_number_;
    if (message_.kind == MessageKind::kAnswers && ours) {
      return take_answers(batch) ? Seen::kAnswers : Seen::kBroken;
    }
    if (message_.kind == MessageKind::kExhausted && ours) {
      batch.fail_all(unavailable("no memory for the answers of a worker process of model '" +
                                 plan_->name + "'"));
      return Seen::kAnswers;
    }
    return Seen::kBroken;
  }
}

bool Connection::take_answers(Batch& batch) {
  MessageReader reader(message_.bytes);
  const auto start = reader.get<std::int64_t>();
  const auto end = reader.get<std::int64_t>();
  const std::uint32_t count = reader.count();
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto row = reader.get<std::uint32_t>();
    const bool again = reader.flag();
    if (reader.failed() || row < next || row >= batch.size()) return false;
    next = row + 1;
    if (again) {
      if (Status status = batch.reschedule(row); !status.ok()) batch.fail(row, std::move(status));
      continue;
    }
    read_response(channel_, *plan_, copies_, reader, answer_);
    if (reader.failed()) return false;
    if (!take_answer(batch, row)) return false;
  }
  const std::int64_t now = RealClock().now_ns();
  const std::int64_t from = std::clamp(start, batch.exec_start_ns(), now);
  batch.mark_exec(from, std::clamp(end, from, now));
  message_.block.reset();
  return reader.complete();
}

bool Connection::take_answer(Batch& batch, std::size_t row) {
  if (!answer_.status.ok()) {
    batch.fail(row, std::move(answer_.status));
    answer_.outputs.clear();
    return true;
  }
  if (answer_.answered) batch.answer(row);
  for (AnsweredOutput& output : answer_.outputs) {
    Status status = batch.set_output(row, output.spec, output.view, output.lease);
    if (!status.ok()) {
      batch.fail(row, std::move(status));
      break;
    }
  }
  answer_.outputs.clear();
  if (!batch.padding(row)) {
    auto& parameters = batch.request(row).response.parameters;
    for (const Parameter& parameter : answer_.parameters) parameters.append() = parameter;
  }
  return true;
}

}  // namespace penstock::worker
