// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "penstock/model_calls.h"

namespace penstock {
namespace {

CallReply copy_of(const CallAnswer& answer) {
  CallReply copy{answer.status, {}, answer.final};
  if (answer.reply == nullptr) return copy;
  copy.message.reserve(answer.reply->total_bytes);
  for (const ByteSpan& segment : answer.reply->segments) {
    copy.message.insert(copy.message.end(), segment.begin(), segment.end());
  }
  return copy;
}

// The answers of one call that were not taken yet.
struct Arrived {
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::deque<CallReply> replies;
};

class LocalCaller final : public ModelCaller {
 public:
  using ModelCaller::ModelCaller;
  std::shared_ptr<Arrived> open(std::uint64_t id) {
    std::lock_guard lock(mutex_);
    return open_[id] = std::make_shared<Arrived>();
  }
  void close(std::uint64_t id) {
    std::lock_guard lock(mutex_);
    open_.erase(id);
  }
  void answered(const CallAnswer& answer) override {
    std::shared_ptr<Arrived> arrived;
    {
      std::lock_guard lock(mutex_);
      const auto found = open_.find(answer.id);
      if (found == open_.end()) return;
      arrived = found->second;
    }
    {
      std::lock_guard lock(arrived->mutex);
      arrived->replies.push_back(copy_of(answer));
    }
    arrived->changed.notify_one();
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Arrived>> open_;  // under mutex_
};

class LocalCall final : public OutgoingCall {
 public:
  LocalCall(std::shared_ptr<ModelCalls> calls, std::shared_ptr<LocalCaller> caller,
            std::shared_ptr<Arrived> arrived, std::uint64_t id)
      : calls_(std::move(calls)),
        caller_(std::move(caller)),
        arrived_(std::move(arrived)),
        id_(id) {}
  ~LocalCall() override {
    caller_->close(id_);
    if (!ended_) cancel();
  }

  bool next(CallReply& reply) override {
    if (ended_) return false;
    {
      std::unique_lock lock(arrived_->mutex);
      arrived_->changed.wait(lock, [this] { return !arrived_->replies.empty(); });
      reply = std::move(arrived_->replies.front());
      arrived_->replies.pop_front();
    }
    ended_ = reply.final;
    if (!ended_ && ++taken_ % ModelCalls::kMore == 0) calls_->more(*caller_, id_);
    return true;
  }
  void cancel() override { calls_->cancel(*caller_, id_); }

 private:
  const std::shared_ptr<ModelCalls> calls_;
  const std::shared_ptr<LocalCaller> caller_;
  const std::shared_ptr<Arrived> arrived_;
  const std::uint64_t id_;
  std::uint32_t taken_ = 0;
  bool ended_ = false;
};

class LocalPort final : public CallPort {
 public:
  LocalPort(std::shared_ptr<ModelCalls> calls, std::shared_ptr<const ModelPlan> plan)
      : calls_(std::move(calls)), caller_(std::make_shared<LocalCaller>(std::move(plan))) {}
  ~LocalPort() override { calls_->forget(*caller_); }

  Result<std::shared_ptr<OutgoingCall>> begin(ModelCall call) override {
    call.id = ++last_;
    auto made = std::make_shared<LocalCall>(calls_, caller_, caller_->open(call.id), call.id);
    Status status = calls_->begin(caller_, std::move(call));
    if (!status.ok()) return status;
    return std::shared_ptr<OutgoingCall>(std::move(made));
  }

 private:
  const std::shared_ptr<ModelCalls> calls_;
  const std::shared_ptr<LocalCaller> caller_;
  std::atomic<std::uint64_t> last_{0};
};

}  // namespace

std::shared_ptr<CallPort> local_calls(std::shared_ptr<ModelCalls> calls,
                                      std::shared_ptr<const ModelPlan> plan) {
  return std::make_shared<LocalPort>(std::move(calls), std::move(plan));
}

}  // namespace penstock
