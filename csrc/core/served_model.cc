// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/served_model.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "sync/late_waker.h"
#include "sync/request_thread.h"
#include "sync/short_work.h"

namespace penstock {
ServedModel::ServedModel(std::shared_ptr<const ModelPlan> plan, const ServedModelContext& context)
    : plan_(std::move(plan)),
      context_(context),
      clock_(context.clock),
      trace_(context.tracer.slot(plan_->name)),
      scheduler_(make_scheduler(*plan_, clock_, *this)),
      cells_(plan_->instance_count),
      gate_(plan_->instance_count),
      instances_(plan_->instance_count) {
  if (plan_->cached && !plan_->decoupled) {
    if (context_.cache != nullptr) cache_.emplace(*context_.cache, *plan_);
    if (context_.store != nullptr) {
      RemoteAnswers::Owner& owner = *this;
      remote_ = std::make_unique<RemoteAnswers>(*context_.store, *plan_, owner);
    }
  }
  for (auto& cell : cells_) cell.configure(*plan_);
  unexecuted_.configure(*plan_);
  if (!plan_->warm_up) gate_.open();
}

ServedModel::~ServedModel() { shut_down(0); }

bool ServedModel::enter(Request& request) {
  in_flight_.enter();
  if (in_flight_.closed()) {
    if (in_flight_.leave()) drained_.notify_all();
    return false;
  }
  bind(request);
  return true;
}

void ServedModel::bind(Request& request) {
  request.counted_ = true;
  request.plan_ = plan_.get();
  request.model_ = shared_from_this();
  request.sink_ = this;
}

bool ServedModel::pin() {
  pins_.enter();
  if (!pins_.closed()) return true;
  unpin();
  return false;
}

void ServedModel::unpin() {
  if (pins_.leave()) drained_.notify_all();
}

void ServedModel::enter_pinned(Request& request) {
  in_flight_.enter();  // also where it is closed: shut_down() waits for the pin
  bind(request);
}

void ServedModel::leave(Request& request) {
  if (!std::exchange(request.counted_, false)) return;
  if (in_flight_.leave()) drained_.notify_all();
}

Status ServedModel::submit(Request& request) {
  if (request.deadline_ns != kNoDeadline) PENSTOCK_RETURN_IF_ERROR(check_deadline(request));
  if (trace_->sampler() != nullptr && !request.step_ && request.trace == nullptr) [[unlikely]] {
    context_.tracer.begin(*trace_, request);
  }
  if (in_order()) ordered_.enter(request);
  if (cache_ && answer_from_cache(request)) return {};
  if (remote_ && look_up(request)) return {};
  return queue(request);
}

Status ServedModel::queue(Request& request) {
  std::int64_t expires = kNoDeadline;
  Status status;
  if (request.deadline_ns != kNoDeadline) status = admit(request);
  if (status.ok()) status = scheduler_->submit(request, &expires);
  if (!status.ok()) {
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
  if (scheduler_->pending() == 0 && !plan_->sequences()) return kNoDeadline;
  const std::int64_t next = scheduler_->sweep(now_ns);
  if (limited_) limited_->wake();
  return next;
}

Status ServedModel::limit_instances() {
  if (context_.limiter == nullptr || plan_->instance_limits.empty()) return {};
  auto limited = std::make_unique<LimitedInstances>(context_.limiter, *scheduler_, clock_);
  PENSTOCK_RETURN_IF_ERROR(limited->join(*plan_));
  limited_ = std::move(limited);
  return {};
}

bool ServedModel::next(std::uint32_t index, Batch& batch) {
  // relaxed: for estimates; it only grows, and a lost one comes again
  if (index >= instances_.load(std::memory_order_relaxed)) [[unlikely]] {
    instances_.store(index + 1, std::memory_order_relaxed);
  }
  return pipeline(index) != nullptr ? next_on_device(index, batch) : pull(index, batch);
}

bool ServedModel::pull(std::uint32_t index, Batch& batch) {
  batch.begin(*plan_, context_.pool, clock_);
  if (!gate_.is_open() && take_warm_up(index, batch)) return true;
  if (LateWakes::any()) [[unlikely]] {  // is there more to do, or are they to be woken now?
    if (!limited_ && scheduler_->poll(index, clock_.now_ns(), batch).kind == PollKind::kBatch) {
      take(index, batch);
      return true;
    }
    LateWakes::flush();
  }
  if (!(limited_ ? limited_->next(index, batch) : scheduler_->next(index, batch))) return false;
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

void ServedModel::complete(std::uint32_t index, Batch& batch) {
  if (DevicePipeline* const device = pipeline(index)) {
    if (Status status = device->finish(batch); !status.ok()) batch.fail_all(status);
    settle_batch(index, batch);
    return device->done(batch);
  }
  settle_batch(index, batch);
}

void ServedModel::settle_batch(std::uint32_t index, Batch& batch) {
  if (!batch.empty() && batch.request(0).warm_up_) return complete_warm_up(batch);
  const std::int64_t now = clock_.now_ns();
  if (cached()) {
    for (Request* request : batch.requests()) {
      if (!request->deferred_) cache_answer(*request);
    }
  }
  count_batch(index, batch, now);
  // Before the scheduler has it: a request that is to be executed again may go its way from there.
  const std::int64_t took = batch.empty() ? 0 : now - batch.request(0).times.batched;
  scheduler_->finished(index, batch);
  {
    const LateWakes::Scope scope(goes_on(took));
    answer(batch);
  }
  batch.clear();
  if (!ensemble_) work_done(took, now);
}

// Whether the thread that has executed a batch will be done with another one soon: a wake-up costs
// as much as what is short.
bool ServedModel::goes_on(std::int64_t took_ns) const {
  return !limited_ && pipelines_.empty() && took_ns < ShortWork::kPieceNs &&
         scheduler_->pending() > 0;
}

// From its delivery on, a request is its owner's, who may be releasing it already.
void ServedModel::answer(const Batch& batch) {
  if (batch.any_deferred() || plan_->decoupled || ensemble_) {
    for (Request* request : batch.requests()) {
      request->deferred_ ? let_go(*request) : answer_alone(*request);
    }
  } else if (in_order()) {
    ordered_.done(batch.requests());
  } else {
    deliver(batch.requests());
  }
}

void ServedModel::answer_alone(Request& request) {
  if (!in_order()) return request.completion->push(&request.response);
  Request* const answered = &request;
  ordered_.done({&answered, 1});
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
  if (!request.holds_.drop()) return;
  const std::int64_t now = clock_.now_ns();
  if (request.warm_up_) {
    fail_unanswered(request);
    request.set_state(RequestState::kDone);
    leave(request);
    request.completion->push(&request.response);
    return;
  }
  if (cached()) cache_answer(request);
  {
    StatisticsCell::Update update(cell(request.instance_), now);
    request.times.exec_end = std::max(request.times.exec_end, now);
    settle(request, now, update);
  }
  answer_alone(request);
}

void ServedModel::reject(Request* request, Status status, FailureReason reason) {
  const std::int64_t now = clock_.now_ns();
  count_rejected(*request, now, reason);
  request->times.completed = now;
  request->response.status = std::move(status);
  request->set_state(RequestState::kDone);
  const std::uint64_t ticket = request->ticket_;
  leave(*request);
  request->completion->push(&request->response);
  if (in_order()) ordered_.skip(ticket);
}

void ServedModel::set_compute(Request& request, const std::array<std::uint64_t, 3>& compute_ns) {
  request.compute_ns_ = compute_ns;
}

void ServedModel::shut_down(std::int64_t timeout_ns) {
  in_flight_.close();
  pins_.close();
  gate_.open();
  const std::int64_t now = RealClock().now_ns();
  const std::int64_t deadline = timeout_ns < kNoDeadline - now ? now + timeout_ns : kNoDeadline;
  while (!unused()) {
    const auto key = drained_.prepare_wait();
    if (unused()) {
      drained_.cancel_wait();
      break;
    }
    if (!drained_.wait(key, deadline)) break;
  }
  unused() ? scheduler_->stop() : scheduler_->abort();
  if (ensemble_) ensemble_->wake_thread();
  refusing_responses_.store(true);  // seq_cst: see begin_response()
  response_room_.notify_all();
  join_threads();
  scheduler_->forget_clients();
  if (limited_) limited_->retire();
}

}  // namespace penstock
