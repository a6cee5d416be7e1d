// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/served_model.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace penstock {
namespace {

std::uint64_t elapsed(std::int64_t from_ns, std::int64_t to_ns) {
  return to_ns > from_ns ? static_cast<std::uint64_t>(to_ns - from_ns) : 0;
}

RequestDurations durations(const StageTimes& t, std::int64_t batch_size) {
  return {elapsed(t.queued, t.completed),
          elapsed(t.queued, t.batched),
          elapsed(t.batched, t.exec_start),
          elapsed(t.exec_start, t.exec_end),
          elapsed(t.exec_end, t.completed),
          static_cast<std::uint64_t>(std::max<std::int64_t>(batch_size, 1))};
}

void fail_unanswered(const ModelPlan& plan, Request& request) {
  if (request.response.answered || !request.response.status.ok()) return;
  request.response.status =
      internal_error("model '" + plan.name + "' gave no output for the request");
}

}  // namespace

ServedModel::ServedModel(std::shared_ptr<const ModelPlan> plan, BufferPool& pool,
                         const Clock& clock)
    : plan_(std::move(plan)),
      pool_(pool),
      clock_(clock),
      scheduler_(make_scheduler(*plan_, clock, *this)),
      cells_(plan_->instance_count) {}

ServedModel::~ServedModel() { shut_down(0); }

bool ServedModel::enter(Request& request) {
  in_flight_.fetch_add(1);  // seq_cst, like the load: pairs with the store in shut_down()
  if (retiring_.load()) {
    if (in_flight_.fetch_sub(1) == 1) drained_.notify_all();
    return false;
  }
  request.counted_ = true;
  request.plan_ = plan_.get();
  request.model_ = shared_from_this();
  return true;
}

void ServedModel::leave(Request& request) {
  if (!std::exchange(request.counted_, false)) return;
  if (in_flight_.fetch_sub(1) == 1 && retiring_.load()) drained_.notify_all();
}

bool ServedModel::next(std::uint32_t, Batch& batch) {
  batch.begin(*plan_, pool_, clock_);
  if (!scheduler_->next(batch)) return false;
  const std::int64_t now = clock_.now_ns();
  for (Request* request : batch.requests()) {
    request->times.batched = now;
    request->set_state(RequestState::kExecuting);
  }
  return true;
}

void ServedModel::settle(Request& request, const Batch& batch, std::int64_t now_ns,
                         StatisticsCell::Update& update) {
  fail_unanswered(*plan_, request);
  StageTimes& times = request.times;
  times.exec_start = batch.exec_start_ns() != 0 ? batch.exec_start_ns() : times.batched;
  times.exec_end = batch.exec_end_ns() != 0 ? batch.exec_end_ns() : now_ns;
  times.completed = now_ns;
  if (request.response.status.ok()) {
    update.success(durations(times, request.batch_size));
  } else {
    update.failure(elapsed(times.queued, now_ns), request.response.status.code() == Code::kCancelled
                                                      ? FailureReason::kCanceled
                                                      : FailureReason::kBackend);
  }
  request.set_state(RequestState::kDone);
  leave(request);
}

void ServedModel::complete(std::uint32_t index, Batch& batch) {
  const std::int64_t now = clock_.now_ns();
  {
    StatisticsCell::Update update(cells_[index]);
    bool any_success = false;
    for (Request* request : batch.requests()) {
      settle(*request, batch, now, update);
      any_success = any_success || request->response.status.ok();
    }
    if (any_success) {
      update.execution(durations(batch.requests().front()->times, batch.total_batch_size()));
    }
  }
  deliver(batch);
  batch.clear();
  scheduler_->finished();
}

// From a push on, the request is its owner's, who may be releasing it already.
void ServedModel::deliver(const Batch& batch) {
  const auto requests = batch.requests();
  std::size_t i = 0;
  while (i < requests.size()) {
    CompletionRing* ring = requests[i]->completion;
    Response* first = &requests[i]->response;
    Response* last = first;
    for (++i; i < requests.size() && requests[i]->completion == ring; ++i) {
      last->next = &requests[i]->response;
      last = &requests[i]->response;
    }
    ring->push_chain(first, last);
  }
}

void ServedModel::reject(Request* request, Status status, FailureReason reason) {
  const std::int64_t now = clock_.now_ns();
  StatisticsCell::Update(rejected_).failure(elapsed(request->times.queued, now), reason);
  request->times.completed = now;
  request->response.status = std::move(status);
  request->set_state(RequestState::kDone);
  leave(*request);
  request->completion->push(&request->response);
}

void ServedModel::start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) {
  std::lock_guard lock(threads_mutex_);
  threads_.emplace_back([this, index, owned = std::move(instance)] {
    pthread_setname_np(pthread_self(), plan_->name.substr(0, 15).c_str());
    run(index, *owned);
  });
}

void ServedModel::run(std::uint32_t index, NativeInstance& instance) {
  Batch batch;
  while (next(index, batch)) {
    try {
      instance.execute(batch);
    } catch (const std::exception& e) {  // nothing may cross a thread's entry
      batch.fail_all(internal_error("model '" + plan_->name + "' failed: " + e.what()));
    } catch (...) {
      batch.fail_all(internal_error("model '" + plan_->name + "' failed"));
    }
    complete(index, batch);
  }
}

void ServedModel::shut_down(std::int64_t timeout_ns) {
  retiring_.store(true);  // seq_cst: see enter()
  const std::int64_t now = RealClock().now_ns();
  const std::int64_t deadline = timeout_ns < kNoDeadline - now ? now + timeout_ns : kNoDeadline;
  while (in_flight_.load() > 0) {
    const auto key = drained_.prepare_wait();
    if (in_flight_.load() == 0) {
      drained_.cancel_wait();
      break;
    }
    if (!drained_.wait(key, deadline)) break;
  }
  in_flight_.load() == 0 ? scheduler_->stop() : scheduler_->abort();
  std::lock_guard lock(threads_mutex_);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

ModelStatistics ServedModel::statistics() const {
  ModelStatistics sum;
  for (const auto& cell : cells_) cell.add_to(sum);
  rejected_.add_to(sum);
  sum.pending = scheduler_->pending();
  return sum;
}

}  // namespace penstock
