// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Connection: the server's end of one worker process: what it was sent, and what it answers.
//
// Messages are taken by the thread that waits for the answers of its batch; of a model whose
// responses come at any time, by a thread of the connection's own: of a decoupled one from the
// start, of another from the first row on that it answers late. Thread safety: execute() by the
// instance's thread; lost(), retire(), close(), any thread. Ownership: by the link, by execute(),
// and, of its memory, by responses. execute() blocks until the process has answered or was lost.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "penstock/worker.h"
#include "worker/answer_message.h"
#include "worker/arena_allocator.h"
#include "worker/batch_message.h"
#include "worker/channel.h"
#include "worker/remote_caller.h"
#include "worker/response_streams.h"

namespace penstock::worker {

// What became of a batch.
enum class Outcome : std::uint8_t {
  kAnswered,
  kLostUntaken,  // the process was lost before it had taken the batch
  kLost,         // it may have executed the batch
};

class Connection final : public WorkerConnection {
 public:
  Connection(std::shared_ptr<const ModelPlan> plan, const WorkerOptions& options,
             std::shared_ptr<SharedMemory> memory, BufferPool& copies,
             std::shared_ptr<ModelCalls> calls);
  ~Connection() override;

  [[nodiscard]] int fd() const override { return memory_->fd(); }
  void lost(std::string why) override;
  void close() override;
  [[nodiscard]] std::uint64_t in_flight() const override;
  [[nodiscard]] std::uint64_t answered() const override { return answered_.load(); }

  // `responders`: of a decoupled model, one a row, those of padding empty; else none. `skipped`:
  // rows that were answered already, or empty. With
  // kLost..., nothing of the batch was answered yet, the responders are the caller's again, and
  // why() says what happened.
  [[nodiscard]] Outcome execute(Batch& batch, std::span<Responder> responders,
                                const std::vector<bool>& skipped);
  // close(), once it has answered all.
  void retire();
  void set_pidfd(int pidfd) { pidfd_.store(pidfd); }
  [[nodiscard]] bool is_lost() const { return lost_.load(); }
  [[nodiscard]] std::string why() const;
  // What a request is answered that the process did not survive.
  [[nodiscard]] Status failure() const;

 private:
  enum class Seen : std::uint8_t { kNothing, kAnswers, kBroken };

  // ---- out ----
  [[nodiscard]] Status open_rows(const Batch& batch, std::span<Responder> responders);
  [[nodiscard]] std::uint64_t row_ticket(std::size_t row);
  void take_back_rows(std::span<Responder> responders);
  [[nodiscard]] Status send(Batch& batch, const std::vector<bool>& skipped);
  // ---- in ----
  [[nodiscard]] Outcome wait_answers(Batch& batch, std::span<Responder> responders);
  [[nodiscard]] Seen look(Batch& batch, std::span<Responder> responders);
  void wait(std::int64_t until_ns);
  [[nodiscard]] Seen take_one(Message& message);
  void start_receiving();
  void receive();
  void receive_one();
  [[nodiscard]] bool hand_over(Message& message);
  [[nodiscard]] bool take_answers(Batch& batch, std::span<Responder> responders);
  void take_answer(Batch& batch, std::size_t row, std::span<Responder> responders);
  [[nodiscard]] bool take_late(Batch& batch, std::size_t row, std::span<Responder> responders);
  void take_again(Batch& batch, std::size_t row, std::span<Responder> responders);
  void pass_cancels(const Batch& batch);
  // ---- the end ----
  void kill(std::string why);
  void finish_retiring();

  const std::shared_ptr<const ModelPlan> plan_;
  const WorkerOptions options_;
  const std::shared_ptr<SharedMemory> memory_;
  BufferPool& copies_;  // for bytes that the process must not change any more
  BufferPool blocks_;   // for bytes that the process reads
  Channel channel_;
  RemoteCalls calls_;
  BatchEncoder encoder_;
  Message message_;  // the answers of the batch
  Answer answer_;
  std::vector<std::uint64_t> tickets_;  // by row
  // Of a model that is not decoupled: batch after batch the same, until a row is answered late.
  std::vector<std::uint64_t> row_tickets_;
  std::uint64_t batch_number_ = 0;
  std::atomic<bool> executing_{false};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<int> pidfd_{-1};
  std::atomic<bool> too_slow_{false};  // it was killed for its execute
  std::atomic<bool> lost_{false};
  std::atomic<bool> retiring_{false};
  mutable std::mutex why_mutex_;
  std::string why_;  // under why_mutex_; the first reason is the cause
  // ---- of a model whose responses come at any time ----
  ResponseStreams streams_;
  std::mutex returned_mutex_;
  std::condition_variable returned_changed_;
  bool has_returned_ = false;  // under returned_mutex_: message_ is the instance's thread's
  std::atomic<bool> ending_{false};
  std::thread receiver_;
};

}  // namespace penstock::worker
