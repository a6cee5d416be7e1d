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

RequestDurations durations(const StageTimes& t, std::int64_t batch_size,
                           const std::array<std::uint64_t, 3>& compute_ns) {
  RequestDurations d = durations(t, batch_size);
  d.compute_input = compute_ns[0];
  d.compute_infer = compute_ns[1];
  d.compute_output = compute_ns[2];
  return d;
}

void fail_unanswered(const ModelPlan& plan, Request& request) {
  if (request.response.answered || !request.response.status.ok()) return;
  request.response.status =
      internal_error("model '" + plan.name + "' gave no output for the request");
}

}  // namespace

ServedModel::ServedModel(std::shared_ptr<const ModelPlan> plan, const ServedModelContext& context)
    : plan_(std::move(plan)),
      context_(context),
      clock_(context.clock),
      scheduler_(make_scheduler(*plan_, clock_, *this)),
      cells_(plan_->instance_count),
      gate_(plan_->instance_count) {
  if (plan_->cached && !plan_->decoupled && context_.cache != nullptr) {
    cache_.emplace(*context_.cache, *plan_);
  }
  if (!plan_->warm_up) gate_.open();
}

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
  request.sink_ = this;
  return true;
}

void ServedModel::leave(Request& request) {
  if (!std::exchange(request.counted_, false)) return;
  if (in_flight_.fetch_sub(1) == 1 && retiring_.load()) drained_.notify_all();
}

Status ServedModel::submit(Request& request) {
  if (in_order()) ordered_.enter(request);
  if (cache_ && answer_from_cache(request)) return {};
  std::int64_t expires = kNoDeadline;
  if (Status status = scheduler_->submit(request, &expires); !status.ok()) {
    if (in_order()) ordered_.skip(request.ticket_);
    return status;
  }
  if (expires != kNoDeadline && context_.reaper != nullptr) context_.reaper->expect(expires);
  return {};
}

std::int64_t ServedModel::sweep(std::int64_t now_ns) {
  response_room_.notify_all();  // for those whose request was cancelled
  if (ensemble_) ensemble_->look();
  // Sequences grow idle while nothing is queued (S-25).
  const bool any = scheduler_->pending() > 0 || plan_->sequences();
  return any ? scheduler_->sweep(now_ns) : kNoDeadline;
}

bool ServedModel::next(std::uint32_t index, Batch& batch) {
  batch.begin(*plan_, context_.pool, clock_);
  if (!gate_.is_open() && take_warm_up(index, batch)) return true;
  if (!scheduler_->next(index, batch)) return false;
  take(index, batch);
  return true;
}

PollKind ServedModel::try_next(std::uint32_t index, Batch& batch) {
  batch.begin(*plan_, context_.pool, clock_);
  const PollKind kind = scheduler_->poll(index, clock_.now_ns(), batch).kind;
  if (kind == PollKind::kBatch) take(index, batch);
  return kind;
}

void ServedModel::take(std::uint32_t index, Batch& batch) {
  const std::int64_t now = clock_.now_ns();
  for (Request* request : batch.requests()) {
    request->times.batched = now;
    request->instance_ = index;
    request->set_state(RequestState::kExecuting);
  }
}

void ServedModel::settle(Request& request, std::int64_t now_ns, StatisticsCell::Update& update) {
  fail_unanswered(*plan_, request);
  request.times.completed = now_ns;
  if (request.response.status.ok()) {
    RequestDurations d = ensemble_
                             ? durations(request.times, request.batch_size, request.compute_ns_)
                             : durations(request.times, request.batch_size);
    if (request.cache_missed_) {  // 1.11: a success takes as long as its insertion, too
      d.total += request.cache_ns_;
      update.cache_miss(request.cache_ns_);
    }
    update.success(d);
  } else {
    const FailureReason failed = ensemble_ ? FailureReason::kOther : FailureReason::kBackend;
    const bool cancelled = request.response.status.code() == Code::kCancelled;
    update.failure(elapsed(request.times.queued, now_ns),
                   cancelled ? FailureReason::kCanceled : failed);
  }
  request.set_state(RequestState::kDone);
  leave(request);
}

void ServedModel::count_batch(std::uint32_t index, const Batch& batch, std::int64_t now_ns) {
  StatisticsCell::Update update(cells_[index]);
  bool executed = batch.any_rescheduled();
  for (Request* request : batch.requests()) {
    StageTimes& times = request->times;
    times.exec_start = batch.exec_start_ns() != 0 ? batch.exec_start_ns() : times.batched;
    times.exec_end = batch.exec_end_ns() != 0 ? batch.exec_end_ns() : now_ns;
    if (!request->deferred_) settle(*request, now_ns, update);
    executed = executed || request->deferred_ || request->response.status.ok();
  }
  if (!executed) return;
  StageTimes times = batch.request(0).times;
  times.exec_start = batch.exec_start_ns() != 0 ? batch.exec_start_ns() : times.batched;
  times.exec_end = batch.exec_end_ns() != 0 ? batch.exec_end_ns() : now_ns;
  times.completed = now_ns;
  update.execution(durations(times, batch.total_batch_size()));
}

void ServedModel::complete(std::uint32_t index, Batch& batch) {
  if (!batch.empty() && batch.request(0).warm_up_) return complete_warm_up(batch);
  const std::int64_t now = clock_.now_ns();
  if (cache_) {
    for (Request* request : batch.requests()) {
      if (!request->deferred_) cache_answer(*request);
    }
  }
  count_batch(index, batch, now);
  scheduler_->finished(index, batch);
  answer(batch);
  batch.clear();
}

// From its delivery on, a request is its owner's, who may be releasing it already.
void ServedModel::answer(const Batch& batch) {
  if (plan_->decoupled || ensemble_) {
    for (Request* request : batch.requests()) {
      request->deferred_ ? let_go(*request) : request->completion->push(&request->response);
    }
  } else if (in_order()) {
    ordered_.done(batch.requests());
  } else {
    deliver(batch.requests());
  }
}

Result<Response*> ServedModel::begin_response(Request& request) {
  for (;;) {
    auto begun = try_begin_response(request);
    if (!begun.ok() || begun.value() != nullptr) return begun;
    const auto key = response_room_.prepare_wait();
    begun = try_begin_response(request);
    if (!begun.ok() || begun.value() != nullptr) {
      response_room_.cancel_wait();
      return begun;
    }
    (void)response_room_.wait(key);
  }
}

Result<Response*> ServedModel::try_begin_response(Request& request) {
  if (request.begun_ns_ == 0) request.begun_ns_ = clock_.now_ns();
  if (request.cancelled()) return Status(Code::kCancelled, "");
  if (refusing_responses_.load()) {
    return unavailable("model '" + plan_->name + "' is being stopped, its client does not read");
  }
  // seq_cst: pairs with the decrement in response_read()
  if (request.unread_.load() >= plan_->response_capacity) return static_cast<Response*>(nullptr);
  Response* response = context_.responses.acquire();
  if (response == nullptr) return unavailable("too many responses wait for their clients");
  response->request = &request;
  return response;
}

// 1.11: what lies between a response and the one before it is its own.
void ServedModel::count_response(Request& request, const Status& status, bool empty) {
  const std::int64_t now = clock_.now_ns();
  const std::int64_t from = request.sent_ns_ != 0 ? request.sent_ns_ : request.times.batched;
  const std::int64_t begun = request.begun_ns_ != 0 ? request.begun_ns_ : now;
  DurationStat ResponseStat::*outcome = &ResponseStat::success;
  if (status.code() == Code::kCancelled) {
    outcome = &ResponseStat::cancel;
  } else if (!status.ok()) {
    outcome = &ResponseStat::fail;
  } else if (empty) {
    outcome = &ResponseStat::empty_response;
  }
  StatisticsCell::Update(cells_[request.instance_])
      .response(request.sent_, {elapsed(from, begun), elapsed(begun, now)}, outcome);
  ++request.sent_;
  request.sent_ns_ = now;
  request.begun_ns_ = 0;
}

void ServedModel::send(Request& request, Response* response) {
  response->final = false;
  count_response(request, response->status, false);
  request.unread_.fetch_add(1);
  request.completion->push(response);
}

void ServedModel::response_read(Request& request) {
  request.unread_.fetch_sub(1);  // seq_cst, as the load in begin_response(): one sees the other
  response_room_.notify_all();
  if (ensemble_) ensemble_->look();
  if (request.reader_) request.reader_->response_read();
}

void ServedModel::finish(Request& request, Response* last, Status status) {
  Response& response = request.response;
  if (last != nullptr) {
    std::swap(response.outputs, last->outputs);
    std::swap(response.parameters, last->parameters);
    context_.responses.release(last);
  }
  response.status = std::move(status);
  response.answered = true;
  response.flags_only = last == nullptr && response.status.ok();
  if (plan_->decoupled) count_response(request, response.status, response.flags_only);
  let_go(request);
}

void ServedModel::let_go(Request& request) {
  // acq_rel: the last one sees what the other wrote
  if (request.holds_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::int64_t now = clock_.now_ns();
  if (request.warm_up_) {
    fail_unanswered(*plan_, request);
    request.set_state(RequestState::kDone);
    leave(request);
  } else {
    if (cache_) cache_answer(request);
    StatisticsCell::Update update(cells_[request.instance_]);
    request.times.exec_end = std::max(request.times.exec_end, now);
    settle(request, now, update);
  }
  request.completion->push(&request.response);
}

void ServedModel::reject(Request* request, Status status, FailureReason reason) {
  const std::int64_t now = clock_.now_ns();
  StatisticsCell::Update(unexecuted_).failure(elapsed(request->times.queued, now), reason);
  request->times.completed = now;
  request->response.status = std::move(status);
  request->set_state(RequestState::kDone);
  const std::uint64_t ticket = request->ticket_;
  leave(*request);
  request->completion->push(&request->response);
  if (in_order()) ordered_.skip(ticket);
}

void ServedModel::start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) {
  std::lock_guard lock(threads_mutex_);
  natives_.push_back(std::move(instance));
  threads_.emplace_back([this, index, native = natives_.back().get()] {
    pthread_setname_np(pthread_self(), plan_->name.substr(0, 15).c_str());
    run(index, *native);
  });
}

void ServedModel::start_ensemble() {
  ensemble_ = std::make_unique<EnsembleRunner>(*this, *scheduler_, *context_.engine);
  std::lock_guard lock(threads_mutex_);
  threads_.emplace_back([this] {
    pthread_setname_np(pthread_self(), plan_->name.substr(0, 15).c_str());
    ensemble_->run();
  });
}

void ServedModel::set_compute(Request& request, const std::array<std::uint64_t, 3>& compute_ns) {
  request.compute_ns_ = compute_ns;
}

void ServedModel::run(std::uint32_t index, NativeInstance& instance) {
  Batch batch;
  for (;;) {
    instance.wait_ready();
    if (!next(index, batch)) return;
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
  gate_.open();
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
  refusing_responses_.store(true);  // seq_cst: see begin_response()
  response_room_.notify_all();
  std::lock_guard lock(threads_mutex_);
  for (auto& native : natives_) native->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  natives_.clear();
  scheduler_->forget_clients();
}

ModelStatistics ServedModel::statistics() const {
  ModelStatistics sum;
  for (const auto& cell : cells_) cell.add_to(sum);
  unexecuted_.add_to(sum);
  sum.pending = scheduler_->pending();
  sum.cached = cache_.has_value();
  return sum;
}

}  // namespace penstock
