// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/statistics.h"

#include <algorithm>

#include "core/duration_buckets.h"
#include "penstock/clock.h"

namespace penstock {
namespace {

void add(DurationStat& stat, std::uint64_t ns) {
  ++stat.count;
  stat.ns += ns;
}

void add(DurationStat& sum, const DurationStat& part) {
  sum.count += part.count;
  sum.ns += part.ns;
}

template <typename Counts>
void add(Counts& sum, const Counts& part) {
  for (std::size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
}

BatchStat& batch_row(std::vector<BatchStat>& rows, std::uint64_t batch_size) {
  const auto at = std::lower_bound(
      rows.begin(), rows.end(), batch_size,
      [](const BatchStat& row, std::uint64_t size) { return row.batch_size < size; });
  if (at != rows.end() && at->batch_size == batch_size) return *at;
  BatchStat row;
  row.batch_size = batch_size;
  return *rows.insert(at, row);
}

}  // namespace

void StatisticsCell::configure(const ModelPlan& plan) {
  if (plan.summary_error > 0) summaries_ = std::make_unique<LatencySummaries>(plan.summary_error);
  if (plan.first_response_bounds_ms.empty()) return;
  first_response_bounds_ms_ = &plan.first_response_bounds_ms;
  stats_.first_response.counts.resize(first_response_bounds_ms_->size() + 1);
}

void StatisticsCell::Update::success(const RequestDurations& d) {
  ModelStatistics& s = cell_.stats_;
  add(s.success, d.total);
  add(s.queue, d.queue);
  ++s.success_counts[duration_bucket(d.total)];
  ++s.queue_counts[duration_bucket(d.queue)];
  add(s.compute_input, d.compute_input);
  add(s.compute_infer, d.compute_infer);
  add(s.compute_output, d.compute_output);
  s.inference_count += d.batch_size;
  if (!cell_.summaries_) return;
  summarise(Latency::kRequest, d.total);
  summarise(Latency::kQueue, d.queue);
  summarise(Latency::kComputeInput, d.compute_input);
  summarise(Latency::kComputeInfer, d.compute_infer);
  summarise(Latency::kComputeOutput, d.compute_output);
}

// a success that no instance had a part in. Its queue time is nothing, and is counted.
void StatisticsCell::Update::cache_hit(std::uint64_t total_ns, std::uint64_t lookup_ns) {
  add(cell_.stats_.success, total_ns);
  add(cell_.stats_.queue, 0);
  add(cell_.stats_.cache_hit, lookup_ns);
  ++cell_.stats_.success_counts[duration_bucket(total_ns)];
  ++cell_.stats_.queue_counts[duration_bucket(0)];
  if (!cell_.summaries_) return;
  summarise(Latency::kRequest, total_ns);
  summarise(Latency::kQueue, 0);
  summarise(Latency::kCacheHit, lookup_ns);
}

void StatisticsCell::Update::cache_miss(std::uint64_t lookup_and_insert_ns) {
  add(cell_.stats_.cache_miss, lookup_and_insert_ns);
  if (cell_.summaries_) summarise(Latency::kCacheMiss, lookup_and_insert_ns);
}

void StatisticsCell::Update::failure(std::uint64_t total_ns, FailureReason reason) {
  add(cell_.stats_.fail, total_ns);
  ++cell_.stats_.failures[static_cast<std::size_t>(reason)];
}

void StatisticsCell::Update::execution(const RequestDurations& d) {
  ++cell_.stats_.execution_count;
  cell_.stats_.last_inference_ms = static_cast<std::uint64_t>(wall_time_ms());
  BatchStat& row = cell_.batches_[d.batch_size];
  row.batch_size = d.batch_size;
  add(row.compute_input, d.compute_input);
  add(row.compute_infer, d.compute_infer);
  add(row.compute_output, d.compute_output);
}

void StatisticsCell::Update::response(std::size_t index, const ResponseDurations& d,
                                      DurationStat ResponseStat::*outcome) {
  if (index >= kMaxResponseStats) return;
  std::vector<ResponseStat>& rows = cell_.stats_.responses;
  if (index >= rows.size()) rows.resize(index + 1);
  ResponseStat& row = rows[index];
  add(row.*outcome, d.compute_infer + d.compute_output);
  if (outcome != &ResponseStat::success && outcome != &ResponseStat::fail) return;
  add(row.compute_infer, d.compute_infer);
  add(row.compute_output, d.compute_output);
}

// M-12: whole milliseconds, cut.
void StatisticsCell::add_first_response(std::uint64_t since_start_ns) {
  const std::uint64_t ms = since_start_ns / 1'000'000;
  const auto& bounds = *first_response_bounds_ms_;
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), static_cast<double>(ms));
  FirstResponseStat& stat = stats_.first_response;
  ++stat.counts[static_cast<std::size_t>(bound - bounds.begin())];
  ++stat.count;
  stat.ms += ms;
}

void StatisticsCell::add_to(Latency latency, std::int64_t now_ns,
                            std::vector<WeightedValue>& values) const {
  std::lock_guard lock(mutex_);
  if (summaries_) summaries_->add_to(latency, now_ns, values);
}

void StatisticsCell::add_to(ModelStatistics& sum) const {
  std::lock_guard lock(mutex_);
  sum.last_inference_ms = std::max(sum.last_inference_ms, stats_.last_inference_ms);
  sum.inference_count += stats_.inference_count;
  sum.execution_count += stats_.execution_count;
  for (auto field : {&ModelStatistics::success, &ModelStatistics::fail, &ModelStatistics::queue,
                     &ModelStatistics::compute_input, &ModelStatistics::compute_infer,
                     &ModelStatistics::compute_output, &ModelStatistics::cache_hit,
                     &ModelStatistics::cache_miss}) {
    add(sum.*field, stats_.*field);
  }
  add(sum.success_counts, stats_.success_counts);
  add(sum.queue_counts, stats_.queue_counts);
  add(sum.failures, stats_.failures);
  sum.first_response.count += stats_.first_response.count;
  sum.first_response.ms += stats_.first_response.ms;
  sum.first_response.counts.resize(stats_.first_response.counts.size());
  add(sum.first_response.counts, stats_.first_response.counts);
  for (const auto& [size, row] : batches_) {
    BatchStat& total = batch_row(sum.batches, size);
    add(total.compute_input, row.compute_input);
    add(total.compute_infer, row.compute_infer);
    add(total.compute_output, row.compute_output);
  }
  const std::vector<ResponseStat>& responses = stats_.responses;
  if (sum.responses.size() < responses.size()) sum.responses.resize(responses.size());
  for (std::size_t i = 0; i < responses.size(); ++i) {
    for (auto field :
         {&ResponseStat::compute_infer, &ResponseStat::compute_output, &ResponseStat::success,
          &ResponseStat::fail, &ResponseStat::empty_response, &ResponseStat::cancel}) {
      add(sum.responses[i].*field, responses[i].*field);
    }
  }
}

}  // namespace penstock
