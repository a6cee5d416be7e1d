// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Tracer: which requests are traced, and the records of those that were (contract 8.1).
//
// A model asks one pointer whether it is traced at all; only then is a request counted, and every
// rate-th of them gets a TraceRecord that travels with it and is queued for take() when the request
// is released. Thread safety: every method from any thread. Ownership: a record belongs to its
// request, then to the queue, then to whom takes it. The queue is bounded: what does not fit is
// dropped and counted. Only take() blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/trace.h"

namespace penstock {

class Clock;
struct Request;
struct Response;

// 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, the ids not 0 (W3C Trace Context).
[[nodiscard]] bool is_trace_context(std::string_view text);

struct TraceSettings {
  bool tensors = false;
  std::uint64_t rate = 1000;     // every how manieth request; 0: only those with a context
  std::int64_t count = -1;       // of traces still to be made; negative: no limit
  std::uint64_t generation = 0;  // told by each record
};

class TraceSlot;

class Tracer {
 public:
  static constexpr std::size_t kMaxQueued = 8192;
  static constexpr std::size_t kMaxQueuedBytes = 64 << 20;  // of tensors

  explicit Tracer(const Clock& clock);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // ---- settings; counters begin anew (T-6) ----
  // Of all models without settings of their own. nullptr: off.
  void set(const TraceSettings* settings);
  // A model's own; nullptr: it is not traced, whatever the others are.
  void set(const std::string& model, const TraceSettings* settings);
  // The model does as all others again.
  void inherit(const std::string& model);

  // ---- for the core ----
  [[nodiscard]] std::shared_ptr<const TraceSlot> slot(const std::string& model);
  // Samples a request that is about to be queued.
  void begin(const TraceSlot& slot, Request& request);
  // A step of an ensemble, and a call of a model that says so, is traced when what causes it is.
  void begin_child(const TraceLink& parent, Request& request);
  // The owner gives a traced request, or a response to one, back.
  void add_outputs(Request& request, const Response& response);
  void finish(Request& request);

  // ---- records ----
  // Waits for records, at most `timeout_ns`, and appends all there are.
  void take(std::vector<std::unique_ptr<TraceRecord>>& records, std::int64_t timeout_ns);
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock
