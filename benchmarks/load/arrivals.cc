// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/arrivals.h"

namespace penstock::load {

Arrivals::Arrivals(ArrivalKind kind, double rate_per_s, unsigned thread, unsigned threads,
                   std::int64_t start_ns)
    : kind_(kind),
      step_ns_(1e9 * threads / rate_per_s),
      offset_ns_(kind == ArrivalKind::kConstant ? 1e9 * thread / rate_per_s : 0),
      start_ns_(start_ns),
      random_(thread + 1) {  // every run has the same arrivals
  advance();
}

void Arrivals::advance() {
  if (kind_ == ArrivalKind::kConstant) {
    // From the start each time: a sum of rounded steps would drift.
    due_ns_ =
        start_ns_ + static_cast<std::int64_t>(offset_ns_ + static_cast<double>(taken_) * step_ns_);
    ++taken_;
    return;
  }
  offset_ns_ += std::exponential_distribution<double>(1.0 / step_ns_)(random_);
  due_ns_ = start_ns_ + static_cast<std::int64_t>(offset_ns_);
}

Pacer::Pacer(const Options& options, unsigned thread)
    : options_(options), thread_(thread), left_(std::numeric_limits<std::uint64_t>::max()) {
  if (options.requests == 0) return;
  left_ = options.requests / options.threads + (thread < options.requests % options.threads);
}

void Pacer::begin(std::int64_t start_ns) {
  measured_from_ns_ = start_ns + options_.warmup_ns;
  if (options_.duration_ns > 0) end_ns_ = measured_from_ns_ + options_.duration_ns;
  if (options_.rate_per_s > 0) {
    arrivals_.emplace(options_.arrivals, options_.rate_per_s, thread_, options_.threads, start_ns);
  }
}

std::optional<std::int64_t> Pacer::take(std::int64_t now_ns) {
  while (!over(now_ns)) {
    if (!arrivals_) {
      --left_;
      return now_ns;
    }
    const std::int64_t due = arrivals_->due_ns();
    if (due > now_ns || due >= end_ns_) return std::nullopt;
    arrivals_->advance();
    --left_;
    if (now_ns - due <= options_.timeout_ns) return due;
    expired_ += due >= measured_from_ns_;
  }
  return std::nullopt;
}

std::int64_t Pacer::next_due_ns() const { return arrivals_ ? arrivals_->due_ns() : kNever; }

std::uint64_t Pacer::count_unsent() {
  if (!arrivals_ || end_ns_ == kNever) return 0;
  std::uint64_t count = 0;
  for (; left_ > 0 && arrivals_->due_ns() < end_ns_; --left_) {
    count += arrivals_->due_ns() >= measured_from_ns_;
    arrivals_->advance();
  }
  return count;
}

}  // namespace penstock::load
