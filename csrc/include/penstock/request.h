// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Request, Response, RequestHandle: one inference as data (docs/request_path.md).
//
// A Request is a pooled slot: Engine::acquire() hands it out empty, a codec (or any caller) fills
// it, Engine::submit() gives it to the core, the core hands its Response to `completion`, and the
// owner gives the slot back by Engine::release().
//
// Thread safety: a request is its owner's while it is filled and after its response; between submit
// and the final response the core owns every field. Only cancel may be called by anyone at any
// time. Ownership: leases keep the tensors' bytes, the pinned version keeps the plan. Members that
// recur per request keep a bounded capacity when the slot is reused, so that a warm request
// allocates nothing. Nothing here blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "penstock/buffer.h"
#include "penstock/cancel_mark.h"
#include "penstock/clock.h"
#include "penstock/completion.h"
#include "penstock/plan.h"
#include "penstock/ref_count.h"
#include "penstock/shared_regions.h"
#include "penstock/status.h"
#include "penstock/tensor.h"
#include "penstock/trace.h"

namespace penstock {

class ModelVersion;
struct Request;
struct Response;

// Is told when the owner of a request is done with a response that was not the final one.
class ResponseReader {
 public:
  virtual ~ResponseReader() = default;
  virtual void response_read() = 0;  // on any thread
};

// Where the responses of a decoupled request go: what a Responder calls, and waits for.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  // Waits until the client has taken enough of the responses before; see Responder::begin().
  [[nodiscard]] virtual Result<Response*> begin_response(Request& request) = 0;
  // The same at once: null when the client has not.
  [[nodiscard]] virtual Result<Response*> try_begin_response(Request& request) = 0;
  virtual void send(Request& request, Response* response) = 0;
  virtual void finish(Request& request, Response* last, Status status) = 0;
};

// A vector whose clear() keeps its elements, and so their capacity, for the next use.
template <typename T>
class Recycled {
 public:
  T& append() {
    if (used_ == items_.size()) items_.emplace_back();
    return items_[used_++];
  }
  void clear() { used_ = 0; }
  // Elements in use and kept for the next use.
  [[nodiscard]] std::size_t kept() const { return items_.size(); }
  // clear(), and gives up all but the first `keep` elements.
  void clear_keeping(std::size_t keep) {
    used_ = 0;
    if (items_.size() <= keep) return;
    items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(keep), items_.end());
    items_.shrink_to_fit();
  }
  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] bool empty() const { return used_ == 0; }
  T& operator[](std::size_t i) { return items_[i]; }
  const T& operator[](std::size_t i) const { return items_[i]; }
  T* begin() { return items_.data(); }
  T* end() { return items_.data() + used_; }
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + used_; }

 private:
  std::vector<T> items_;
  std::size_t used_ = 0;
};

// H-46, H-47: custom request parameters and response parameters.
struct Parameter {
  std::string name;
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string> value;
};

inline constexpr std::uint32_t kUnknownSpec = UINT32_MAX;

struct InputTensor {
  std::uint32_t spec = kUnknownSpec;  // index in ModelPlan::inputs
  std::string unknown_name;           // set only when spec is kUnknownSpec
  TensorView view;                    // shape as the client sent it, batch dimension included
  BufferLease lease;                  // keeps view.data alive
};

struct RequestedOutput {
  std::uint32_t spec = kUnknownSpec;
  std::string unknown_name;
  // How the client wants it; read by the codecs alone.
  std::uint32_t class_count = 0;  // 1.7
  bool binary = false;            // 1.6
  RegionWindow window;            // 1.9: where it is to be written, if anywhere
};

struct OutputTensor {
  std::uint32_t spec = kUnknownSpec;  // index in ModelPlan::outputs
  TensorView view;
  BufferLease lease;
};

enum RequestFlag : std::uint32_t { kSequenceStart = 1, kSequenceEnd = 2 };

// CLOCK_MONOTONIC ns (or the engine's manual clock); 0 = not reached.
struct StageTimes {
  std::int64_t received = 0;    // first byte, by the frontend
  std::int64_t decoded = 0;     // the codec is done
  std::int64_t queued = 0;      // on the model's ring
  std::int64_t batched = 0;     // taken by an instance: the queue ends here
  std::int64_t exec_start = 0;  // inputs gathered
  std::int64_t exec_end = 0;    // the back end has answered
  std::int64_t completed = 0;   // outputs scattered, response handed to the owner
};

enum class RequestState : std::uint8_t { kFree, kFilling, kQueued, kBatched, kExecuting, kDone };

// Why a request failed, for nv_inference_request_failure{reason} (M-2).
enum class FailureReason : std::uint8_t { kRejected, kCanceled, kBackend, kOther };
inline constexpr int kFailureReasonCount = 4;

struct Response : CompletionNode {
  Request* request = nullptr;
  Status status;
  Recycled<OutputTensor> outputs;
  Recycled<Parameter> parameters;
  bool final = true;
  bool answered = false;    // the back end gave outputs, an error, or said that there is nothing
  bool flags_only = false;  // says that there will be no more, and nothing else (G-26)

  // As a fresh one; a bounded capacity is kept.
  void clear();
};

// May be stale: it names a slot and the generation the slot had.
struct RequestHandle {
  std::uint32_t index = UINT32_MAX;
  std::uint64_t generation = 0;  // wide enough never to come round
};

struct Request {
  // Filled by the frontend.
  std::string id;
  std::uint64_t correlation_id = 0;
  std::string correlation_id_string;
  std::uint32_t flags = 0;  // RequestFlag
  std::uint64_t priority = 0;
  std::uint64_t timeout_us = 0;
  // End to end, on the engine's clock: past it the request is not executed any more.
  std::int64_t deadline_ns = kNoDeadlineNs;
  // The same, counted from times.received on; the earlier one holds. kNoDeadlineMs: none.
  std::uint64_t deadline_ms = kNoDeadlineMs;
  Recycled<Parameter> parameters;
  Recycled<InputTensor> inputs;
  Recycled<RequestedOutput> outputs;     // empty: all the model's outputs
  bool binary_data_output = false;       // default for outputs not listed (H-46)
  bool wants_empty_final = false;        // a bare end is worth a message, too (G-26)
  CompletionRing* completion = nullptr;  // where the response goes
  void* tag = nullptr;                   // the owner's own
  TraceFrontend frontend = TraceFrontend::kNone;
  bool nested = false;        // a model asks, for a request of its own
  std::string trace_context;  // W3C traceparent, where the server looks for it (T-22)

  // Filled by the core.
  std::int64_t batch_size = 1;
  StageTimes times;
  std::unique_ptr<TraceRecord> trace;  // of a request that is traced
  // The only one of a model that is not decoupled, else the final one. The others reach the owner
  // before it, are given back by Engine::release(), and all of them before the request.
  Response response;

  static constexpr std::int64_t kNoDeadlineNs = INT64_MAX;
  static constexpr std::uint64_t kNoDeadlineMs = UINT64_MAX;

  // Finds the spec by name and appends, or appends as unknown. nullptr: already in the request.
  InputTensor* add_input(std::string_view name);
  RequestedOutput* add_output(std::string_view name);
  [[nodiscard]] const InputTensor* find_input(std::uint32_t spec) const;
  // True when no outputs were named or this one was.
  [[nodiscard]] bool wants_output(std::uint32_t spec) const;
  // "[request id: <id>] ", as core errors begin (contract 1.0).
  [[nodiscard]] std::string tag_text() const;

  [[nodiscard]] const ModelPlan& plan() const { return *plan_; }
  [[nodiscard]] ModelVersion* model() const { return model_.get(); }
  [[nodiscard]] RequestHandle handle() const { return {index_, use_.generation()}; }
  // Read again at every stage.
  [[nodiscard]] bool cancelled() const {
    // relaxed: a hint that is read again; no data travels with it
    return use_.cancelled() || (cancelled_elsewhere_ != nullptr &&
                                cancelled_elsewhere_->load(std::memory_order_relaxed) != 0);
  }
  // Whether nobody waits for the answer any more: a model that runs for long should look.
  [[nodiscard]] bool given_up(std::int64_t now_ns) const {
    return now_ns >= deadline_ns || cancelled();
  }
  [[nodiscard]] RequestState state() const { return state_; }
  // The one setter; aborts in debug builds on a move that the state chart has not.
  void set_state(RequestState next);
  // The owner begins to write the (last) response down.
  void mark_sending(const Clock& clock) {
    if (trace != nullptr) [[unlikely]]
      trace->sending_ns = clock.now_ns();
  }

 private:
  friend class Batch;
  friend class RemoteAnswers;
  friend class RequestPool;
  friend class Responder;
  friend class Engine;
  friend class EnsembleRunner;
  friend class OrderedDelivery;
  friend class ServedModel;
  friend class SubmitBurst;
  friend class WorkerModel;
  friend class RequestTestPeer;
  void reset();

  const ModelPlan* plan_ = nullptr;
  std::shared_ptr<ModelVersion> model_;     // the pin: alive while set
  ResponseSink* sink_ = nullptr;            // the model's
  std::shared_ptr<ResponseReader> reader_;  // of a model in another process
  // Told by the process that the request came from; null: this is the one.
  const std::atomic<std::uint32_t>* cancelled_elsewhere_ = nullptr;
  bool counted_ = false;  // among the model's requests in flight: bound and not yet answered
  // Of a request that a Responder answers.
  bool deferred_ = false;
  RefCount holds_;                        // its batch's and its responder's; the last one answers
  std::atomic<std::uint32_t> unread_{0};  // responses that the owner has and did not give back
  std::uint32_t sent_ = 0;                // responses ever
  std::int64_t sent_ns_ = 0;              // when the last of them was
  std::int64_t begun_ns_ = 0;             // when the model had the next one; 0: not yet
  std::uint32_t instance_ = 0;            // who executes it
  std::array<std::uint64_t, 3> compute_ns_{};  // of an ensemble: input, infer, output
  std::uint64_t ticket_ = 0;                   // its place among the answers (S-6)
  bool warm_up_ = false;                       // nobody's: not scheduled, not counted
  bool step_ = false;                          // an ensemble's
  bool cache_missed_ = false;                  // its answer is to be cached, as cache_key_
  std::uint64_t cache_key_ = 0;                // of its inputs
  std::uint64_t cache_ns_ = 0;                 // spent on looking up and inserting
  RequestState state_ = RequestState::kFree;
  std::uint32_t index_ = 0;
  CancelMark use_;
};

// Checks a filled request against its plan in the contract's order (C-7) and works out batch_size.
// Errors carry the request's tag.
[[nodiscard]] Status validate(Request& request);
// Of these, data type, shape and byte size of one known input, without the tag.
[[nodiscard]] Status validate_input(const ModelPlan& plan, const InputTensor& input);

}  // namespace penstock
