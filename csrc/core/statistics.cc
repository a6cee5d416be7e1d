// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/statistics.h"

#include <algorithm>

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

void StatisticsCell::Update::success(const RequestDurations& d) {
  ModelStatistics& s = cell_.stats_;
  add(s.success, d.total);
  add(s.queue, d.queue);
  add(s.compute_input, d.compute_input);
  add(s.compute_infer, d.compute_infer);
  add(s.compute_output, d.compute_output);
  s.inference_count += d.batch_size;
}

// a success that no instance had a part in. Its queue time is nothing, and is counted.
void StatisticsCell::Update::cache_hit(std::uint64_t total_ns, std::uint64_t lookup_ns) {
  add(cell_.stats_.success, total_ns);
  add(cell_.stats_.queue, 0);
  add(cell_.stats_.cache_hit, lookup_ns);
}

void StatisticsCell::Update::cache_miss(std::uint64_t lookup_and_insert_ns) {
  add(cell_.stats_.cache_miss, lookup_and_insert_ns);
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
  for (std::size_t i = 0; i < sum.failures.size(); ++i) sum.failures[i] += stats_.failures[i];
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
