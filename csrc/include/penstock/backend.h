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

class DeviceStage;
class Responder;
class SequenceRows;

class Batch {
 public:
  Batch();
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Rows: one a request, and those that only fill a slot of a sequence model (S-26).
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // Of padding: the request it is a copy of.
  [[nodiscard]] Request& request(std::size_t i) { return *rows_[i]; }
  [[nodiscard]] const Request& request(std::size_t i) const { return *rows_[i]; }
  // Not to be taken for its request: its READY control is false and what it is answered is dropped.
  [[nodiscard]] bool padding(std::size_t i) const;
  [[nodiscard]] const ModelPlan& plan() const { return *plan_; }
  // Sum of the rows' batch sizes.
  [[nodiscard]] std::int64_t total_batch_size() const { return total_batch_size_; }

  // The input of every request laid one behind the other, in the back end's shape (reshape applied,
  // leading dimension summed; a ragged one is flat). A batch of one is passed through uncopied. A
  // batch input (2.4) is made here. Type kInvalid when no request carries this optional input.
  // `lease` (may be null) receives what keeps the bytes alive.
  [[nodiscard]] Status gather(std::uint32_t spec, TensorView& view, BufferLease* lease = nullptr);
  // One row's input in the back end's shape; false when it is optional and absent, and for batch
  // inputs, which are no single row's. `lease` as above.
  [[nodiscard]] bool input(std::size_t i, std::uint32_t spec, TensorView& view,
                           BufferLease* lease = nullptr) const;

  // Host memory from the engine's pool for outputs; an empty lease when the bound is reached.
  [[nodiscard]] BufferLease allocate(std::size_t size_bytes) { return pool_->acquire(size_bytes); }

  // The GPU in whose memory gather() gives inputs (but strings and shapes) and outputs may be; -1:
  // all is in the host's memory. input() gives them where their clients put them.
  [[nodiscard]] std::int32_t device() const;
  // A cudaStream_t of that GPU: outputs are read from there, so that what writes them must be done,
  // or be on it. Null without a device.
  [[nodiscard]] void* stream() const;
  // Memory of that GPU; an empty lease when there is none.
  [[nodiscard]] BufferLease allocate_on_device(std::size_t size_bytes);

  // Whether anybody has a use for an output: a client, or a sequence that goes on with it.
  [[nodiscard]] bool wants_output(std::uint32_t spec) const;
  // An output of the whole batch: cut into each request's rows without a copy. The shape is checked
  // against the batch and the specification, reshape is undone; requests that did not ask for the
  // output are skipped. A batch output (2.4) is flat instead, and cut by the shapes of an input.
  [[nodiscard]] Status scatter(std::uint32_t spec, const TensorView& view,
                               const BufferLease& lease);
  // One request's output.
  [[nodiscard]] Status set_output(std::size_t i, std::uint32_t spec, const TensorView& view,
                                  const BufferLease& lease);
  // A response without outputs: that, too, is an answer.
  void answer(std::size_t i);
  void fail(std::size_t i, Status status);
  // S-31: instead of an answer, the request is executed for another step. INVALID_ARG when the
  // model is not an iterative sequence. One that was deferred comes with its responder, unfinished.
  [[nodiscard]] Status reschedule(std::size_t i, Responder* responder = nullptr);
  // Takes the request out of the batch's answers: the responder gives them, on any thread, until it
  // finishes: any number of a decoupled model's, else one. Once a request, not of padding.
  [[nodiscard]] Responder defer(std::size_t i);
  // Those that were not deferred.
  void fail_all(const Status& status);
  // Of one that was deferred: false, its responder knows.
  [[nodiscard]] bool failed(std::size_t i) const {
    return !rows_[i]->deferred_ && !rows_[i]->response.status.ok();
  }

  // Stage stamps: the statistics' compute_input ends, compute_output begins.
  void mark_exec_start() { exec_start_ns_ = clock_->now_ns(); }
  void mark_exec_end() { exec_end_ns_ = clock_->now_ns(); }
  // The same, as another process saw it.
  void mark_exec(std::int64_t start_ns, std::int64_t end_ns) {
    exec_start_ns_ = start_ns;
    exec_end_ns_ = end_ns;
  }

  // ---- for schedulers and the engine ----
  void begin(const ModelPlan& plan, BufferPool& pool, const Clock& clock);
  void add(Request* request);
  // In place of add() for a sequence model; after the last one, sequence_rows().supply().
  void add_row(Request* request, std::vector<InputTensor>& states, bool padding);
  [[nodiscard]] SequenceRows& sequence_rows() { return *sequence_; }
  void clear();
  void swap(Batch& other) noexcept;
  // Null: none. Must outlive the batch's requests.
  void set_stage(DeviceStage* stage) { stage_ = stage; }
  [[nodiscard]] DeviceStage* stage() const { return stage_; }
  [[nodiscard]] std::int64_t exec_start_ns() const { return exec_start_ns_; }
  [[nodiscard]] std::int64_t exec_end_ns() const { return exec_end_ns_; }
  // Those to be answered, each once.
  [[nodiscard]] std::span<Request* const> requests() const { return requests_; }
  [[nodiscard]] bool any_rescheduled() const { return any_rescheduled_; }
  [[nodiscard]] bool any_deferred() const { return any_deferred_; }

 private:
  [[nodiscard]] bool contiguous(std::uint32_t spec) const;
  [[nodiscard]] Status concatenate(std::uint32_t spec, TensorView& view, BufferLease& lease);
  [[nodiscard]] Status check_rows(const TensorSpec& tensor, const TensorView& view) const;
  [[nodiscard]] const InputTensor* find(std::size_t i, std::uint32_t spec) const;
  [[nodiscard]] std::int64_t ragged_elements(std::uint32_t spec) const;
  [[nodiscard]] Status make_batch_input(std::uint32_t spec, TensorView& view, BufferLease* lease);
  [[nodiscard]] Status scatter_by(const BatchOutput& by, const TensorView& view,
                                  const BufferLease& lease);
  // Padding, or rescheduled: whatever it is given goes nowhere.
  [[nodiscard]] bool unanswered(std::size_t i) const;
  [[nodiscard]] Status give(std::size_t i, std::uint32_t spec, const TensorView& view,
                            const BufferLease& lease);
  // ---- batch_device.cc, for an output in a GPU's memory ----
  [[nodiscard]] Status offer(std::uint32_t spec, const TensorView& view, const BufferLease& lease);
  [[nodiscard]] Status give_from_device(std::size_t i, std::uint32_t spec, TensorView view);

  const ModelPlan* plan_ = nullptr;
  BufferPool* pool_ = nullptr;
  const Clock* clock_ = nullptr;
  std::vector<Request*> rows_;
  std::vector<Request*> requests_;
  std::unique_ptr<SequenceRows> sequence_;  // null: no sequence model
  DeviceStage* stage_ = nullptr;            // null: no device
  bool any_rescheduled_ = false;
  bool any_deferred_ = false;
  std::int64_t total_batch_size_ = 0;
  std::int64_t exec_start_ns_ = 0;
  std::int64_t exec_end_ns_ = 0;
  Recycled<BufferLease> gathered_;
  std::vector<Shape> source_shapes_;  // of the batch input that is being made
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
  // The same at once; null when the client has not.
  [[nodiscard]] Result<Response*> try_begin();
  // Who is told of each response that the client has taken: set before the first of them, and once,
  // since the client's thread calls it from then on. Null: nobody yet.
  [[nodiscard]] const std::shared_ptr<ResponseReader>& reader() const;
  void set_reader(std::shared_ptr<ResponseReader> reader);
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
  // Waits until a batch can be executed: requests stay in the queue, where others find them.
  virtual void wait_ready() {}
  // From another thread: the version is being stopped, wait_ready() returns.
  virtual void stop() {}

  // Who does the work of execute(): decides how its thread is scheduled.
  enum class Worker {
    kThreads,  // others too, which it may spin for
    kThread,   // the calling thread alone
    kProcess,  // another one, which it sleeps for
  };
  [[nodiscard]] virtual Worker worker() const { return Worker::kThreads; }
};

}  // namespace penstock
