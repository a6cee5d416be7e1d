// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/inbox.h"

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "worker/remote_caller.h"

namespace penstock::worker {
namespace {

CallReply reply_of(Message& message) {
  CallAnswerTail tail;
  if (message.bytes.size() < sizeof tail) {
    return {unavailable("An error occurred while performing BLS request. No memory for the "
                        "response: the back end's setting shm-max-byte-size bounds it"),
            {},
            true};
  }
  const std::size_t size = message.bytes.size() - sizeof tail;
  std::memcpy(&tail, message.bytes.data() + size, sizeof tail);
  CallReply reply{{}, {}, tail.final != 0};
  if (tail.code == 0) {
    message.bytes.resize(size);
    reply.message = std::exchange(message.bytes, {});
  } else {
    reply.status = Status(static_cast<Code>(tail.code - 1),
                          std::string(reinterpret_cast<const char*>(message.bytes.data()), size));
  }
  return reply;
}

}  // namespace

class Inbox::Call final : public OutgoingCall {
 public:
  Call(std::shared_ptr<Inbox> inbox, std::uint64_t id) : inbox_(std::move(inbox)), id_(id) {
    std::lock_guard lock(inbox_->mutex_);
    inbox_->open_[id_] = &replies_;
  }
  ~Call() override {
    {
      std::lock_guard lock(inbox_->mutex_);
      inbox_->open_.erase(id_);
    }
    if (!ended_) cancel();
  }

  bool next(CallReply& reply) override {
    if (ended_) return false;
    std::unique_lock lock(inbox_->mutex_);
    if (inbox_->take_until(lock, [this] { return !replies_.empty(); })) {
      reply = std::move(replies_.front());
      replies_.pop_front();
    } else {
      reply = CallReply{unavailable("the server has ended"), {}, true};
    }
    lock.unlock();
    ended_ = reply.final;
    if (!ended_ && ++taken_ % ModelCalls::kMore == 0) {
      (void)inbox_->post(MessageKind::kCallMore, id_);
    }
    return true;
  }
  void cancel() override { (void)inbox_->post(MessageKind::kCallCancel, id_); }
  void refused() { ended_ = true; }

 private:
  const std::shared_ptr<Inbox> inbox_;
  const std::uint64_t id_;
  std::deque<CallReply> replies_;  // under the inbox's lock
  std::uint32_t taken_ = 0;
  bool ended_ = false;
};

template <typename Done>
bool Inbox::take_until(std::unique_lock<std::mutex>& lock, Done done) {
  for (;;) {
    if (done()) return true;
    if (broken_) return false;
    if (taking_) {
      changed_.wait(lock);
      continue;
    }
    taking_ = true;
    lock.unlock();
    const Channel::Taken taken = channel_.take(taken_);
    // A server that ends takes this process with it.
    if (taken == Channel::Taken::kNothing) channel_.wait(kNoDeadline);
    lock.lock();
    taking_ = false;
    if (taken == Channel::Taken::kOne) sort(taken_);
    if (taken == Channel::Taken::kBroken) broken_ = true;
    changed_.notify_all();
  }
}

void Inbox::sort(Message& message) {
  if (message.kind == MessageKind::kCallAnswer) {
    const auto found = open_.find(message.id);
    if (found != open_.end()) found->second->push_back(reply_of(message));
    message.block.reset();
  } else if (message.kind == MessageKind::kStop) {
    stopped_ = true;
  } else if (has_batch_) {
    broken_ = true;  // the next one comes when this one is answered
  } else {
    std::swap(batch_, message);
    has_batch_ = true;
  }
}

bool Inbox::next(Message& message) {
  std::unique_lock lock(mutex_);
  if (!take_until(lock, [this] { return has_batch_ || stopped_; })) return false;
  if (has_batch_) {
    std::swap(message, batch_);
    has_batch_ = false;
  } else {
    message.kind = MessageKind::kStop;
  }
  return true;
}

bool Inbox::post(MessageKind kind, std::uint64_t id) {
  const bool posted = channel_.post(kind, id, {}, 0);
  channel_.wake();
  return posted;
}

Result<std::shared_ptr<OutgoingCall>> Inbox::begin(ModelCall call) {
  const CallTail tail{call.trace, call.many, call.blocking};
  const std::size_t size = call.message.size() + sizeof tail;
  if (size > Channel::kMaxMessageBytes) {
    return invalid_arg("An error occurred while performing BLS request. The request has " +
                       std::to_string(call.message.size()) +
                       " bytes; a worker process sends at "
                       "most " +
                       std::to_string(Channel::kMaxMessageBytes));
  }
  BufferLease block = channel_.acquire(size);
  if (!block) {
    return unavailable(
        "An error occurred while performing BLS request. No memory for it: the back "
        "end's setting shm-max-byte-size bounds it");
  }
  if (!call.message.empty()) {
    std::memcpy(block->data, call.message.data(), call.message.size());
  }
  std::memcpy(block->data + call.message.size(), &tail, sizeof tail);
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    id = ++last_;
  }
  auto made = std::make_shared<Call>(shared_from_this(), id);
  if (!channel_.post(MessageKind::kCall, id, std::move(block), size)) {
    made->refused();
    return unavailable(
        "An error occurred while performing BLS request. The server does not take "
        "calls");
  }
  channel_.wake();
  return std::shared_ptr<OutgoingCall>(std::move(made));
}

}  // namespace penstock::worker
