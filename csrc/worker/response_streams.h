// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ResponseStreams: the requests of a decoupled model that one worker process has, and what it
// answers them, as the server sees it.
//
// A worker may send a bounded number of responses more than the client has taken (the plan's
// response_capacity); the server counts in the request's cell how many were. A process that sends
// more breaks the rule. Thread safety: all methods, any thread, under one lock. Ownership: the
// responders, until they are finished or given back. Nothing blocks but the lock.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "penstock/backend.h"
#include "worker/answer_message.h"
#include "worker/batch_message.h"
#include "worker/channel.h"

namespace penstock::worker {

class CellReader;

class ResponseStreams {
 public:
  ResponseStreams(std::shared_ptr<const ModelPlan> plan, Channel& channel, BufferPool& copies);
  ~ResponseStreams();

  // A ticket for a request that may be answered late; kNoTicket when there are too many.
  [[nodiscard]] std::uint64_t reserve();
  // It is: what the worker sends for the ticket goes to the responder.
  void open(std::uint64_t reserved, Responder& responder);
  // Both. kNoTicket, and the responder stays the caller's, when there are too many.
  [[nodiscard]] std::uint64_t open(Responder& responder);
  // Takes a responder back that the worker does not answer; unfinished, unless it was lost.
  [[nodiscard]] Responder take_back(std::uint64_t ticket);
  // A kResponse. False: it is none, or one more than allowed.
  [[nodiscard]] bool take(const Message& message);
  // Tells the worker who does not wait any more.
  void pass_cancels();
  // Ends all that are open.
  void fail_all(const Status& failure);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Stream {
    std::uint64_t ticket = kNoTicket;
    Responder responder;
    std::shared_ptr<CellReader> reader;  // null: reserved
  };
  [[nodiscard]] std::uint64_t reserve_cell();
  void open_stream(Stream& stream, Responder& responder);
  [[nodiscard]] Stream* find(std::uint64_t ticket);
  void close(Stream& stream);
  [[nodiscard]] bool send(Stream& stream);
  [[nodiscard]] bool finish(Stream& stream, bool bare);
  void fill(Stream& stream, Response& response);

  const std::shared_ptr<const ModelPlan> plan_;
  Channel& channel_;
  BufferPool& copies_;
  mutable std::mutex mutex_;     // guards what follows
  std::vector<Stream> streams_;  // by cell
  std::vector<std::uint32_t> free_;
  std::uint64_t serial_ = 0;
  std::size_t open_ = 0;
  Answer answer_;
};

}  // namespace penstock::worker
