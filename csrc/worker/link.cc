// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "penstock/worker.h"
#include "worker/connection.h"
#include "worker/quarantine.h"

namespace penstock {
namespace worker {
namespace {

class Link final : public WorkerLink, public std::enable_shared_from_this<Link> {
 public:
  Link(std::shared_ptr<const ModelPlan> plan, BufferPool& pool, WorkerOptions options,
       std::shared_ptr<ModelCalls> calls)
      : plan_(std::move(plan)),
        pool_(pool),
        options_(std::move(options)),
        calls_(std::move(calls)) {}

  Result<std::shared_ptr<WorkerConnection>> connect() override {
    auto memory = SharedMemory::create(options_.max_bytes);
    if (!memory.ok()) return memory.take_status();
    return std::shared_ptr<WorkerConnection>(
        std::make_shared<Connection>(plan_, options_, std::move(memory.value()), pool_, calls_));
  }

  void serve(const std::shared_ptr<WorkerConnection>& connection, int pidfd) override {
    auto next = std::static_pointer_cast<Connection>(connection);
    next->set_pidfd(pidfd);
    std::shared_ptr<Connection> before;
    {
      std::lock_guard lock(mutex_);
      before = std::exchange(current_, std::move(next));
      refusal_.reset();
    }
    changed_.notify_all();
    if (before && !before->is_lost()) before->retire();
  }

  void refuse(std::string why) override {
    {
      std::lock_guard lock(mutex_);
      refusal_ = std::move(why);
    }
    changed_.notify_all();
  }

  [[nodiscard]] bool ended() const override { return ended_.load(); }

  std::unique_ptr<NativeInstance> instance() override;

  void wait_ready() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return live() || refusal_ || stopped_; });
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }

  void execute(Batch& batch) {
    std::vector<Responder> responders;
    if (plan_->decoupled) {
      for (std::size_t row = 0; row < batch.size(); ++row) {
        responders.push_back(batch.padding(row) ? Responder() : batch.defer(row));
      }
    }
    const std::vector<bool>& refused = quarantine_.refused(batch, RealClock().now_ns());
    if (!refused.empty() && turn_away(batch, responders, refused)) return;
    bool tried = false;
    for (;;) {
      Status failed;
      const std::shared_ptr<Connection> connection = wait_live(failed);
      if (connection) {
        const Outcome outcome = connection->execute(batch, responders, refused);
        if (outcome == Outcome::kAnswered) return quarantine_.forgive();
        if (outcome == Outcome::kLostUntaken) continue;
        quarantine_.blame(batch, RealClock().now_ns());
        // Responses of a decoupled request may have reached its client.
        if (options_.idempotent && !plan_->decoupled && !std::exchange(tried, true)) continue;
        failed = connection->failure();
      }
      for (Responder& responder : responders) {
        if (!responder.finished()) {
          responder.finish(nullptr, Status(failed.code(), failed.message()));
        }
      }
      return batch.fail_all(failed);
    }
  }

  void end() {
    ended_.store(true);
    std::shared_ptr<Connection> last;
    {
      std::lock_guard lock(mutex_);
      last = current_;
    }
    if (last) last->retire();
  }

 private:
  [[nodiscard]] bool live() const { return current_ && !current_->is_lost(); }

  // Answers the refused rows; true when there are no others.
  bool turn_away(Batch& batch, std::span<Responder> responders, const std::vector<bool>& refused) {
    bool all = true;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!refused[row]) {
        all = all && batch.padding(row);
        continue;
      }
      Status why = unavailable("model '" + plan_->name +
                               "' refuses the request: its worker processes ended twice when they "
                               "had executed it");
      if (responders.empty()) {
        batch.fail(row, std::move(why));
      } else if (!responders[row].finished()) {
        responders[row].finish(nullptr, std::move(why));
      }
    }
    return all;
  }

  std::shared_ptr<Connection> wait_live(Status& refused) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return live() || refusal_ || stopped_; });
    if (live()) return current_;
    refused =
        unavailable(refusal_ ? *refusal_
                             : "model '" + plan_->name +
                                   "' is being stopped while its worker process is not there");
    return nullptr;
  }

  const std::shared_ptr<const ModelPlan> plan_;
  BufferPool& pool_;
  const WorkerOptions options_;
  const std::shared_ptr<ModelCalls> calls_;
  std::atomic<bool> ended_{false};
  Quarantine quarantine_;  // the instance's thread's
  std::mutex mutex_;       // guards what follows
  std::condition_variable changed_;
  std::shared_ptr<Connection> current_;
  std::optional<std::string> refusal_;
  bool stopped_ = false;
};

class WorkerInstance final : public NativeInstance {
 public:
  explicit WorkerInstance(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  ~WorkerInstance() override { link_->end(); }
  void execute(Batch& batch) override { link_->execute(batch); }
  void wait_ready() override { link_->wait_ready(); }
  void stop() override { link_->stop(); }
  [[nodiscard]] Worker worker() const override { return Worker::kProcess; }

 private:
  const std::shared_ptr<Link> link_;
};

std::unique_ptr<NativeInstance> Link::instance() {
  return std::make_unique<WorkerInstance>(shared_from_this());
}

}  // namespace
}  // namespace worker

std::shared_ptr<WorkerLink> WorkerLink::make(std::shared_ptr<const ModelPlan> plan,
                                             BufferPool& pool, WorkerOptions options,
                                             std::shared_ptr<ModelCalls> calls) {
  return std::make_shared<worker::Link>(std::move(plan), pool, std::move(options),
                                        std::move(calls));
}

}  // namespace penstock
