// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Batch and NativeInstance: what a back end sees of the server.
//
// An instance pulls a Batch, reads inputs as views (gathered over the batch, or one request at a
// time), answers every request with outputs or an error, and goes for the next. Thread safety: a
// Batch belongs to the one instance that pulled it. Ownership: input views live as long as the
// batch; output views as long as the lease handed over with them. execute() may block; nothing
// else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "penstock/buffer.h"
#include "penstock/clock.h"
#include "penstock/request.h"

namespace penstock {

class Responder;

class Batch {
 public:
  Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  [[nodiscard]] std::size_t size() const { return requests_.size(); }
  [[nodiscard]] bool empty() const { return requests_.empty(); }
  [[nodiscard]] Request& request(std::size_t i) { return *requests_[i]; }
  [[nodiscard]] const Request& request(std::size_t i) const { return *requests_[i]; }
  [[nodiscard]] const ModelPlan& plan() const { return *plan_; }
  // Sum of the requests' batch sizes.
  [[nodiscard]] std::int64_t total_batch_size() const { return total_batch_size_; }

  // The input of every request laid one behind the other, in the back end's shape (reshape applied,
  // leading dimension summed). A batch of one is passed through uncopied. Type kInvalid when no
  // request carries this optional input. `lease` (may be null) receives what keeps the bytes alive.
  [[nodiscard]] Status gather(std::uint32_t spec, TensorView& view, BufferLease* lease = nullptr);
  // One request's input in the back end's shape; false when it is optional and absent.
  [[nodiscard]] bool input(std::size_t i, std::uint32_t spec, TensorView& view) const;

  // Host memory from the engine's pool for outputs; an empty lease when the bound is reached.
  [[nodiscard]] BufferLease allocate(std::size_t size_bytes) { return pool_->acquire(size_bytes); }

  // An output of the whole batch: cut into each request's rows without a copy. The shape is checked
  // against the batch and the specification, reshape is undone; requests that did not ask for the
  // output are skipped.
  [[nodiscard]] Status scatter(std::uint32_t spec, const TensorView& view,
                               const BufferLease& lease);
  // One request's output.
  [[nodiscard]] Status set_output(std::size_t i, std::uint32_t spec, const TensorView& view,
                                  const BufferLease& lease);
  // A response without outputs: that, too, is an answer.
  void answer(std::size_t i) { requests_[i]->response.answered = true; }
  void fail(std::size_t i, Status status);
  // Takes the request out of the batch's answers: the responder gives them, any number, on any
  // thread, until it finishes (decoupled models). Once a request.
  [[nodiscard]] Responder defer(std::size_t i);
  void fail_all(const Status& status);
  [[nodiscard]] bool failed(std::size_t i) const { return !requests_[i]->response.status.ok(); }

  // Stage stamps: the statistics' compute_input ends, compute_output begins.
  void mark_exec_start() { exec_start_ns_ = clock_->now_ns(); }
  void mark_exec_end() { exec_end_ns_ = clock_->now_ns(); }

  // ---- for schedulers and the engine ----
  void begin(const ModelPlan& plan, BufferPool& pool, const Clock& clock);
  void add(Request* request);
  void clear();
  [[nodiscard]] std::int64_t exec_start_ns() const { return exec_start_ns_; }
  [[nodiscard]] std::int64_t exec_end_ns() const { return exec_end_ns_; }
  [[nodiscard]] std::span<Request* const> requests() const { return requests_; }

 private:
  [[nodiscard]] Status concatenate(std::uint32_t spec, TensorView& view, BufferLease& lease);
  [[nodiscard]] Status check_rows(const TensorSpec& tensor, const TensorView& view) const;

  const ModelPlan* plan_ = nullptr;
  BufferPool* pool_ = nullptr;
  const Clock* clock_ = nullptr;
  std::vector<Request*> requests_;
  std::int64_t total_batch_size_ = 0;
  std::int64_t exec_start_ns_ = 0;
  std::int64_t exec_end_ns_ = 0;
  Recycled<BufferLease> gathered_;
};

// The answers of one request of a decoupled model. Must finish; one that is destroyed unfinished
// answers INTERNAL. Thread safety: one thread at a time. The request's inputs may be read until
// finish(). Only begin() blocks.
class Responder {
 public:
  Responder() = default;
  Responder(Responder&& other) noexcept : request_(std::exchange(other.request_, nullptr)) {}
  Responder& operator=(Responder&& other) noexcept {
    std::swap(request_, other.request_);
    return *this;
  }
  ~Responder();

  // A response to fill, once the client has taken enough of those before it. Errors: CANCELLED when
  // the client waits no more, UNAVAILABLE when the model is being stopped.
  [[nodiscard]] Result<Response*> begin();
  // As Batch::set_output().
  [[nodiscard]] Status set_output(Response& response, std::uint32_t spec, const TensorView& view,
                                  const BufferLease& lease);
  // One that is not the last.
  void send(Response* response);
  // The last one: `response` (from begin()), or, when it is null, an error or the bare end.
  void finish(Response* response, Status status = {});
  [[nodiscard]] bool finished() const { return request_ == nullptr; }
  [[nodiscard]] bool cancelled() const { return request_ == nullptr || request_->cancelled(); }
  [[nodiscard]] Request& request() const { return *request_; }

 private:
  friend class Batch;
  explicit Responder(Request* request) : request_(request) {}
  Request* request_ = nullptr;
};

// One copy of a model, run by one thread of the engine. Must answer every request of the batch (set
// outputs or fail); one that is left with neither is answered INTERNAL by the engine.
class NativeInstance {
 public:
  virtual ~NativeInstance() = default;
  virtual void execute(Batch& batch) = 0;
};

}  // namespace penstock
