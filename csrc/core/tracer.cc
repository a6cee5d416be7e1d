// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/tracer.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "core/trace_slot.h"
#include "penstock/clock.h"
#include "penstock/request.h"

namespace penstock {
namespace {

struct FrontendWords {
  std::string_view received_from, received_to, sent_from, sent_to;
};

FrontendWords words_of(TraceFrontend frontend) {
  if (frontend == TraceFrontend::kHttp) {
    return {"HTTP_RECV_START", "HTTP_RECV_END", "HTTP_SEND_START", "HTTP_SEND_END"};
  }
  return {"GRPC_WAITREAD_START", "GRPC_WAITREAD_END", "GRPC_SEND_START", "GRPC_SEND_END"};
}

void stamp(TraceRecord& record, std::string_view name, std::int64_t ns) {
  if (ns != 0) record.stamps.push_back({name, ns});
}

// T-2. An ensemble does not compute, and neither does who is answered from the cache, which leaves
// the queue at the moment it comes.
void stamp_stages(const Request& request, TraceRecord& record) {
  const StageTimes& times = request.times;
  const bool computed = request.plan().scheduler != SchedulerKind::kEnsemble &&
                        times.batched != 0 && times.batched != times.queued;
  stamp(record, "REQUEST_START", times.decoded);
  stamp(record, "QUEUE_START", times.queued);
  if (computed) {
    stamp(record, "COMPUTE_START", times.batched);
    stamp(record, "COMPUTE_INPUT_END", times.exec_start);
    stamp(record, "COMPUTE_OUTPUT_START", times.exec_end);
    stamp(record, "COMPUTE_END", times.completed);
  }
  if (record.frontend != TraceFrontend::kNone) {
    stamp(record, "INFER_RESPONSE_COMPLETE", times.completed);
  }
  stamp(record, "REQUEST_END", times.completed);
}

void add_tensor(TraceRecord& record, std::string_view activity, const std::string& name,
                const TensorView& view) {
  TraceTensor& tensor = record.tensors.emplace_back();
  tensor.activity = activity;
  tensor.name = name;
  tensor.type = view.type;
  tensor.shape = view.shape;
  if (view.size_bytes > TraceRecord::kMaxTensorBytes - record.tensor_bytes) return;
  tensor.data.assign(reinterpret_cast<const char*>(view.data), view.size_bytes);
  record.tensor_bytes += view.size_bytes;
}

void add_inputs(const Request& request, TraceRecord& record) {
  for (const auto& input : request.inputs) {
    if (input.spec == kUnknownSpec) continue;
    add_tensor(record, "TENSOR_QUEUE_INPUT", request.plan().inputs[input.spec].name, input.view);
  }
}

}  // namespace

bool is_trace_context(std::string_view text) {
  constexpr std::string_view kForm = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (kForm[i] == 'x' ? !digit : text[i] != kForm[i]) return false;
  }
  const auto is_zero = [](std::string_view id) {
    return id.find_first_not_of('0') == std::string_view::npos;
  };
  return !is_zero(text.substr(3, 32)) && !is_zero(text.substr(36, 16));
}

struct Tracer::Impl {
  explicit Impl(const Clock& runs_on) : clock(runs_on) {}

  [[nodiscard]] TraceSlot& slot_of(const std::string& model) {
    std::shared_ptr<TraceSlot>& slot = slots[model];
    if (!slot) {
      slot = std::make_shared<TraceSlot>();
      // relaxed: nobody else has the slot yet
      slot->active_.store(all_traced ? &all : nullptr, std::memory_order_relaxed);
    }
    return *slot;
  }
  [[nodiscard]] std::unique_ptr<TraceRecord> make_record(std::uint64_t generation, bool tensors) {
    auto record = std::make_unique<TraceRecord>();
    record->id = last_id.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: a number
    record->generation = generation;
    record->wants_tensors = tensors;
    return record;
  }

  const Clock& clock;
  std::atomic<std::uint64_t> last_id{0};
  std::mutex settings;
  TraceSampler all;
  bool all_traced = false;                                  // under settings
  std::map<std::string, std::shared_ptr<TraceSlot>> slots;  // under settings; a name ever loaded
  mutable std::mutex queue;
  std::condition_variable filled;
  std::vector<std::unique_ptr<TraceRecord>> records;  // under queue
  std::size_t queued_bytes = 0;                       // under queue
  std::uint64_t dropped = 0;                          // under queue
};

Tracer::Tracer(const Clock& clock) : impl_(std::make_unique<Impl>(clock)) {}
Tracer::~Tracer() = default;

void Tracer::set(const TraceSettings* settings) {
  std::lock_guard lock(impl_->settings);
  impl_->all_traced = settings != nullptr;
  if (settings != nullptr) impl_->all.set(*settings);
  for (auto& [name, slot] : impl_->slots) {
    if (!slot->inherits_) continue;
    // relaxed here and below: see TraceSlot::sampler()
    // relaxed: pairs with nothing, see TraceSlot::sampler()
    slot->active_.store(settings != nullptr ? &impl_->all : nullptr, std::memory_order_relaxed);
  }
}

void Tracer::set(const std::string& model, const TraceSettings* settings) {
  std::lock_guard lock(impl_->settings);
  TraceSlot& slot = impl_->slot_of(model);
  slot.inherits_ = false;
  if (settings != nullptr) slot.own_.set(*settings);
  // relaxed: pairs with nothing, see TraceSlot::sampler()
  slot.active_.store(settings != nullptr ? &slot.own_ : nullptr, std::memory_order_relaxed);
}

void Tracer::inherit(const std::string& model) {
  std::lock_guard lock(impl_->settings);
  TraceSlot& slot = impl_->slot_of(model);
  slot.inherits_ = true;
  // relaxed: pairs with nothing, see TraceSlot::sampler()
  slot.active_.store(impl_->all_traced ? &impl_->all : nullptr, std::memory_order_relaxed);
}

std::shared_ptr<const TraceSlot> Tracer::slot(const std::string& model) {
  std::lock_guard lock(impl_->settings);
  (void)impl_->slot_of(model);
  return impl_->slots[model];
}

void Tracer::begin(const TraceSlot& slot, Request& request) {
  TraceSampler* sampler = slot.sampler();
  if (sampler == nullptr) return;
  const bool propagated = !request.trace_context.empty() && is_trace_context(request.trace_context);
  if (!propagated && !sampler->sample()) return;
  request.trace = impl_->make_record(sampler->generation(), sampler->tensors());
  request.trace->root_id = request.trace->id;
  if (propagated) request.trace->context = request.trace_context;
  if (request.trace->wants_tensors) add_inputs(request, *request.trace);
}

void Tracer::begin_child(const TraceLink& parent, Request& request) {
  if (parent.id == 0) return;
  request.trace = impl_->make_record(parent.generation, parent.wants_tensors != 0);
  request.trace->parent_id = parent.id;
  request.trace->root_id = parent.root_id;
  const std::string_view context(parent.context.data(), parent.context.size() - 1);
  if (is_trace_context(context)) request.trace->context = context;  // it may be a worker's word
  if (request.trace->wants_tensors) add_inputs(request, *request.trace);
}

void Tracer::add_outputs(Request& request, const Response& response) {
  if (!request.trace->wants_tensors) return;
  for (const auto& output : response.outputs) {
    add_tensor(*request.trace, "TENSOR_BACKEND_OUTPUT", request.plan().outputs[output.spec].name,
               output.view);
  }
}

void Tracer::finish(Request& request) {
  std::unique_ptr<TraceRecord> record = std::move(request.trace);
  request.trace = nullptr;
  record->frontend = request.frontend;
  record->model = request.plan().name;
  record->version = request.plan().version;
  record->request_id = request.id;
  const Status& status = request.response.status;
  if (!status.ok()) {
    record->error = status.message().empty() ? "cancelled" : status.message();
  }
  if (record->wants_tensors) {
    request.trace = std::move(record);
    add_outputs(request, request.response);
    record = std::move(request.trace);
  }
  const FrontendWords words = words_of(record->frontend);
  const bool client = record->frontend != TraceFrontend::kNone;
  if (client) stamp(*record, words.received_from, request.times.received);
  if (client) stamp(*record, words.received_to, request.times.decoded);
  stamp_stages(request, *record);
  if (client && record->sending_ns != 0) {
    stamp(*record, words.sent_from, record->sending_ns);
    stamp(*record, words.sent_to, impl_->clock.now_ns());
  }
  std::lock_guard lock(impl_->queue);
  if (impl_->records.size() >= kMaxQueued ||
      impl_->queued_bytes + record->tensor_bytes > kMaxQueuedBytes) {
    ++impl_->dropped;
    return;
  }
  impl_->queued_bytes += record->tensor_bytes;
  impl_->records.push_back(std::move(record));
  if (impl_->records.size() == 1) impl_->filled.notify_one();
}

void Tracer::take(std::vector<std::unique_ptr<TraceRecord>>& records, std::int64_t timeout_ns) {
  std::unique_lock lock(impl_->queue);
  impl_->filled.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                         [this] { return !impl_->records.empty(); });
  for (auto& record : impl_->records) records.push_back(std::move(record));
  impl_->records.clear();
  impl_->queued_bytes = 0;
}

std::uint64_t Tracer::dropped() const {
  std::lock_guard lock(impl_->queue);
  return impl_->dropped;
}

}  // namespace penstock
