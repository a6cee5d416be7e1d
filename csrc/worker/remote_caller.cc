// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/remote_caller.h"

#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::worker {

// Writes answers to the process, while it is there.
class RemoteCaller final : public ModelCaller {
 public:
  RemoteCaller(std::shared_ptr<const ModelPlan> plan, Channel& channel)
      : ModelCaller(std::move(plan)), channel_(&channel) {}

  void answered(const CallAnswer& answer) override {
    std::lock_guard lock(mutex_);
    if (channel_ == nullptr) return;
    if (!post(answer)) {  // no memory: a bare message says so
      (void)channel_->post(MessageKind::kCallAnswer, answer.id, {}, 0);
    }
    channel_->wake();
  }
  void stop() {
    std::lock_guard lock(mutex_);
    channel_ = nullptr;
  }
  [[nodiscard]] bool stopped() {
    std::lock_guard lock(mutex_);
    return channel_ == nullptr;
  }

 private:
  [[nodiscard]] bool post(const CallAnswer& answer) {
    CallAnswerTail tail{answer.final, 0};
    std::string_view text;
    std::size_t size = sizeof tail;
    if (!answer.status.ok()) {
      tail.code = static_cast<std::uint8_t>(static_cast<int>(answer.status.code()) + 1);
      text = answer.status.message();
      size += text.size();
    } else if (answer.reply != nullptr) {
      size += answer.reply->total_bytes;
    }
    if (size > Channel::kMaxMessageBytes) return post(too_large(answer));
    BufferLease block = channel_->acquire(size);
    if (!block) return false;
    std::byte* to = block->data;
    to = append(to, text.data(), text.size());
    if (answer.status.ok() && answer.reply != nullptr) {
      for (const ByteSpan& segment : answer.reply->segments) {
        to = append(to, segment.data(), segment.size());
      }
    }
    append(to, &tail, sizeof tail);
    return channel_->post(MessageKind::kCallAnswer, answer.id, std::move(block), size);
  }
  static CallAnswer too_large(const CallAnswer& answer) {
    return {answer.id,
            invalid_arg("An error occurred while performing BLS request. The response has " +
                        std::to_string(answer.reply->total_bytes) +
                        " bytes; a worker process "
                        "takes at most " +
                        std::to_string(Channel::kMaxMessageBytes)),
            nullptr, answer.final};
  }
  static std::byte* append(std::byte* to, const void* from, std::size_t size) {
    if (size > 0) std::memcpy(to, from, size);
    return to + size;
  }

  std::mutex mutex_;
  Channel* channel_;  // under mutex_; null: the process is gone
};

RemoteCalls::RemoteCalls(std::shared_ptr<ModelCalls> calls, std::shared_ptr<const ModelPlan> plan,
                         Channel& channel)
    : calls_(std::move(calls)), caller_(std::make_shared<RemoteCaller>(std::move(plan), channel)) {}

RemoteCalls::~RemoteCalls() { stop(); }

bool RemoteCalls::take(Message& message) {
  switch (message.kind) {
    case MessageKind::kCall:
      if (message.bytes.size() < sizeof(CallTail)) return false;
      begin(message);
      return true;
    case MessageKind::kCallMore:
      if (calls_) calls_->more(*caller_, message.id);
      return true;
    case MessageKind::kCallCancel:
      if (calls_) calls_->cancel(*caller_, message.id);
      return true;
    default:
      return false;
  }
}

void RemoteCalls::begin(Message& message) {
  CallTail tail;
  const std::size_t size = message.bytes.size() - sizeof tail;
  std::memcpy(&tail, message.bytes.data() + size, sizeof tail);
  message.bytes.resize(size);
  Status status = unsupported(
      "An error occurred while performing BLS request. This server does not let models call "
      "models");
  if (calls_) {
    status = calls_->begin(caller_, {message.id, tail.many != 0, tail.blocking != 0,
                                     std::exchange(message.bytes, {}), tail.trace});
    if (caller_->stopped()) calls_->forget(*caller_);  // stop() may not have seen it
  }
  if (!status.ok()) caller_->answered({message.id, std::move(status), nullptr, true});
}

void RemoteCalls::stop() {
  caller_->stop();
  if (calls_) calls_->forget(*caller_);
}

}  // namespace penstock::worker
