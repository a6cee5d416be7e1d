// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Connection: the server's end of one worker process: what it was sent, and what it answers.
//
// Thread safety: execute() by the instance's thread; lost(), close(), any thread. Ownership: by the
// link, by execute(), and, of its memory, by responses. execute() blocks until the process has
// answered or was lost.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "penstock/worker.h"
#include "worker/answer_message.h"
#include "worker/arena_allocator.h"
#include "worker/batch_message.h"
#include "worker/channel.h"

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
             std::shared_ptr<SharedMemory> memory, BufferPool& copies);
  ~Connection() override;

  [[nodiscard]] int fd() const override { return memory_->fd(); }
  void lost(std::string why) override;
  void close() override;
  [[nodiscard]] std::uint64_t in_flight() const override { return in_flight_.load(); }

  [[nodiscard]] std::uint64_t answered() const override { return answered_.load(); }

  // With kLost..., nothing of the batch was answered yet, and why() says what happened.
  [[nodiscard]] Outcome execute(Batch& batch);
  void set_pidfd(int pidfd) { pidfd_.store(pidfd); }
  [[nodiscard]] bool is_lost() const { return lost_.load(); }
  [[nodiscard]] std::string why() const;

 private:
  enum class Seen : std::uint8_t { kNothing, kAnswers, kBroken };

  [[nodiscard]] bool send(Batch& batch, Status& failed);
  [[nodiscard]] Seen drain(Batch& batch);
  [[nodiscard]] bool take_answers(Batch& batch);
  [[nodiscard]] bool take_answer(Batch& batch, std::size_t row);
  void pass_cancels(const Batch& batch);
  void kill(std::string why);
  void name_cells(std::size_t rows);

  const std::shared_ptr<const ModelPlan> plan_;
  const WorkerOptions options_;
  const std::shared_ptr<SharedMemory> memory_;
  BufferPool& copies_;  // for bytes that the process must not change any more
  BufferPool blocks_;   // for bytes that the process reads
  Channel channel_;
  BatchEncoder encoder_;
  Message message_;
  Answer answer_;
  std::vector<std::uint32_t> cells_;
  std::uint64_t batch_number_ = 0;
  std::atomic<std::uint64_t> in_flight_{0};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<int> pidfd_{-1};
  std::atomic<bool> lost_{false};
  mutable std::mutex why_mutex_;
  std::string why_;  // under why_mutex_; the first reason is the cause
};

}  // namespace penstock::worker
