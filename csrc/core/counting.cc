// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: what its requests come to in the statistics (contract 1.11 and 6).
#include <algorithm>

#include "core/served_model.h"

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

}  // namespace

void ServedModel::fail_unanswered(Request& request) const {
  if (request.response.answered || !request.response.status.ok()) return;
  request.response.status =
      internal_error("model '" + plan_->name + "' gave no output for the request");
}

void ServedModel::settle(Request& request, std::int64_t now_ns, StatisticsCell::Update& update) {
  fail_unanswered(request);
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
    if (ensemble_) update.execution(d);  // S-49: with what its steps took, and only then
  } else {
    const FailureReason failed = ensemble_ ? FailureReason::kOther : FailureReason::kBackend;
    const bool cancelled = request.response.status.code() == Code::kCancelled;
    update.failure(elapsed(request.times.queued, now_ns),
                   cancelled ? FailureReason::kCanceled : failed);
  }
  if (!plan_->decoupled) update.first_response(elapsed(request.times.queued, now_ns));
  request.set_state(RequestState::kDone);
  leave(request);
}

void ServedModel::count_batch(std::uint32_t index, const Batch& batch, std::int64_t now_ns) {
  StatisticsCell::Update update(cell(index), now_ns);
  bool executed = batch.any_rescheduled();
  for (Request* request : batch.requests()) {
    StageTimes& times = request->times;
    times.exec_start = batch.exec_start_ns() != 0 ? batch.exec_start_ns() : times.batched;
    times.exec_end = batch.exec_end_ns() != 0 ? batch.exec_end_ns() : now_ns;
    if (!request->deferred_) settle(*request, now_ns, update);
    executed = executed || request->deferred_ || request->response.status.ok();
  }
  if (!executed || ensemble_) return;
  StageTimes times = batch.request(0).times;
  times.exec_start = batch.exec_start_ns() != 0 ? batch.exec_start_ns() : times.batched;
  times.exec_end = batch.exec_end_ns() != 0 ? batch.exec_end_ns() : now_ns;
  times.completed = now_ns;
  service_time_.observe(now_ns - times.batched);
  update.execution(durations(times, batch.total_batch_size()));
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
  StatisticsCell::Update update(cell(request.instance_), now);
  update.response(request.sent_, {elapsed(from, begun), elapsed(begun, now)}, outcome);
  if (request.sent_ == 0 && !empty) update.first_response(elapsed(request.times.queued, now));
  ++request.sent_;
  request.sent_ns_ = now;
  request.begun_ns_ = 0;
}

void ServedModel::count_rejected(const Request& request, std::int64_t now_ns,
                                 FailureReason reason) {
  const std::uint64_t waited_ns = elapsed(request.times.queued, now_ns);
  StatisticsCell::Update update(unexecuted_, now_ns);
  update.failure(waited_ns, reason);
  update.first_response(waited_ns);
}

ModelStatistics ServedModel::statistics() const {
  ModelStatistics sum;
  for (const auto& cell : cells_) cell.add_to(sum);
  unexecuted_.add_to(sum);
  sum.pending = scheduler_->pending();
  sum.in_flight = in_flight_.inside() + pins_.inside();
  sum.cached = cached();
  sum.late = late_.load(std::memory_order_relaxed);  // relaxed: a counter
  return sum;
}

LatencySummary ServedModel::summary(Latency latency, std::span<const double> quantiles) const {
  if (plan_->summary_error == 0) return {};
  const std::int64_t now = clock_.now_ns();
  std::vector<WeightedValue> values;
  for (const auto& cell : cells_) cell.add_to(latency, now, values);
  unexecuted_.add_to(latency, now, values);
  std::sort(values.begin(), values.end(),
            [](const WeightedValue& a, const WeightedValue& b) { return a.value < b.value; });
  LatencySummary summary;
  for (const double quantile : quantiles) summary.push_back(quantile_of(values, quantile));
  return summary;
}

}  // namespace penstock
