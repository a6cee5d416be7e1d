// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Inbox: what comes to a worker process, for whom it is: batches for the instance's thread, answers
// of calls (BLS) for the threads that wait for them. One of those who wait takes the messages, for
// all; no thread does nothing else.
//
// Thread safety: next() one thread's, the others any; one OutgoingCall, one thread's. Ownership:
// the calls keep it. next() and an OutgoingCall's next() block.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "penstock/model_calls.h"
#include "worker/channel.h"

namespace penstock::worker {

class Inbox final : public CallPort, public std::enable_shared_from_this<Inbox> {
 public:
  explicit Inbox(Channel& channel) : channel_(channel) {}
  // The next kBatch or kStop; false: the server broke the rules.
  [[nodiscard]] bool next(Message& message);
  Result<std::shared_ptr<OutgoingCall>> begin(ModelCall call) override;

 private:
  class Call;
  // Takes messages, or waits for who does, until `done` holds; false: there will be none.
  template <typename Done>
  [[nodiscard]] bool take_until(std::unique_lock<std::mutex>& lock, Done done);
  void sort(Message& message);
  [[nodiscard]] bool post(MessageKind kind, std::uint64_t id);

  Channel& channel_;
  Message taken_;     // who takes messages has it
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool taking_ = false;
  bool broken_ = false;
  bool stopped_ = false;
  bool has_batch_ = false;
  Message batch_;
  std::map<std::uint64_t, std::deque<CallReply>*> open_;
  std::uint64_t last_ = 0;
};

}  // namespace penstock::worker
