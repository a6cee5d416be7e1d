// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/ensemble_runner.h"

#include <algorithm>
#include <string>
#include <utility>

#include "batch/shapes.h"
#include "core/served_model.h"

namespace penstock {
namespace {

// As a helper has other work of its own.
constexpr std::uint32_t kHelpersTurns = 16;

std::uint64_t between(std::int64_t from_ns, std::int64_t to_ns) {
  return to_ns > from_ns ? static_cast<std::uint64_t>(to_ns - from_ns) : 0;
}

// S-49: what a step adds to the ensemble's own durations.
void add_durations(EnsembleRun& run, const StageTimes& times) {
  run.compute_ns[0] += between(times.batched, times.exec_start);
  run.compute_ns[1] += between(times.exec_start, times.exec_end);
  run.compute_ns[2] += between(times.exec_end, times.completed);
}

}  // namespace

EnsembleRunner::EnsembleRunner(ServedModel& model, Scheduler& scheduler, Engine& engine,
                               bool has_thread)
    : model_(model),
      scheduler_(scheduler),
      engine_(engine),
      plan_(model.plan()),
      graph_(plan_),
      has_thread_(has_thread),
      burst_(engine),
      inflight_(plan_.ensemble.steps.size()),
      waiting_(plan_.ensemble.steps.size()) {}

EnsembleRunner::~EnsembleRunner() {
  (void)helper_->strand.enter();  // and never left
}

void EnsembleRunner::look() {
  look_.raise();
  wake();
}

void EnsembleRunner::wake() noexcept {
  if (!has_thread_ || !ErrandScope::leave(helper_)) wake_thread();
}

void EnsembleRunner::Helper::run() noexcept {
  if (!strand.enter() || runner.work(kHelpersTurns) == Outcome::kLeft) return;
  strand.hand_over();  // from here on the runner may be gone
  parker.notify_one();
}

bool EnsembleRunner::exhaust(std::uint32_t& turns) {
  while (turn()) {
    if (--turns == 0) return false;
  }
  return true;
}

EnsembleRunner::Outcome EnsembleRunner::work(std::uint32_t turns) {
  std::uint32_t seen = 0;
  do {
    seen = helper_->strand.seen();
    ring_.disarm();
    if (!exhaust(turns)) return Outcome::kTired;
    ring_.arm();
    if (!exhaust(turns)) return Outcome::kTired;
    if (stopped_ && runs_.empty()) return Outcome::kOver;
  } while (!helper_->strand.leave(seen));
  return Outcome::kLeft;
}

bool EnsembleRunner::work_or_end() {
  const ErrandScope errands;
  if (!helper_->strand.take_over() && !helper_->strand.enter()) return false;
  Outcome outcome = Outcome::kTired;
  while (outcome == Outcome::kTired) outcome = work(UINT32_MAX);
  return outcome == Outcome::kOver;
}

void EnsembleRunner::run() {
  for (;;) {
    if (work_or_end()) return;
    const auto key = helper_->parker.prepare_wait();
    if (work_or_end()) return helper_->parker.cancel_wait();
    (void)helper_->parker.wait(key);
  }
}

bool EnsembleRunner::turn() {
  bool worked = take_responses();
  if (look_.take()) {
    look_around();
    worked = true;
  }
  worked = take_requests() || worked;
  burst_.flush();
  return worked;
}

bool EnsembleRunner::take_responses() {
  CompletionNode* node = ring_.take_all();
  if (node == nullptr) return false;
  while (node != nullptr) {
    auto& response = static_cast<Response&>(*node);
    node = node->next;
    receive(response);
  }
  return true;
}

bool EnsembleRunner::take_requests() {
  bool any = false;
  while (runs_.size() < plan_.queue_capacity) {
    const PollKind polled = model_.try_next(0, batch_);
    stopped_ = polled == PollKind::kStopped;
    if (polled != PollKind::kBatch) return any;
    begin(batch_);
    any = true;
  }
  return any;
}

void EnsembleRunner::look_around() {
  std::vector<EnsembleRun*> cancelled;  // S-47
  for (const auto& run : runs_) {
    if (run->error.ok() && run->responder.cancelled()) cancelled.push_back(run.get());
  }
  for (EnsembleRun* run : cancelled) {
    fail(*run, Status(Code::kCancelled, ""));
    settle(run->root());
  }
  retry_blocked();
}

void EnsembleRunner::begin(Batch& batch) {
  auto run = std::make_unique<EnsembleRun>();
  run->responder = batch.defer(0);
  model_.complete(0, batch);
  Request& request = run->responder.request();
  run->needs = graph_.needs(request);
  EnsembleFlow& root = add_flow(*run, nullptr, EnsembleGraph::kNone);
  for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
    root.tensors[i].state = EnsembleTensor::State::kAbsent;
  }
  for (const auto& input : request.inputs) {
    root.tensors[input.spec] = {EnsembleTensor::State::kThere, input.view, input.lease};
  }
  runs_.push_back(std::move(run));
  Status status = pin_models(*root.run);
  if (status.ok()) {
    advance(root);
  } else {
    fail(*root.run, std::move(status).with_prefix("in ensemble '" + plan_.name + "', "));
  }
  settle(root);
}

// S-48: whatever becomes of them meanwhile, the request is answered by the models of its beginning.
Status EnsembleRunner::pin_models(EnsembleRun& run) {
  const auto& steps = plan_.ensemble.steps;
  run.pins.resize(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!run.needs.steps[i]) continue;
    auto pin = engine_.pin(steps[i].model, steps[i].version);
    if (!pin.ok()) return pin.take_status();
    run.pins[i] = std::move(pin.value());
  }
  return {};
}

void EnsembleRunner::receive(Response& response) {
  auto& call = *static_cast<EnsembleCall*>(response.request->tag);
  EnsembleRun& run = *call.flow->run;
  if (response.final) return end_call(call, response);
  if (!run.error.ok()) return engine_.release(&response);
  settle(spawn(call, response));
}

// A response of a decoupled step is a flow of its own (S-45).
EnsembleFlow& EnsembleRunner::spawn(EnsembleCall& call, Response& response) {
  EnsembleFlow& flow = add_flow(*call.flow->run, call.flow, call.step);
  ++call.flow->busy;
  store_outputs(flow, call.step, response);
  if (!response.final) {
    flow.origin = &response;
    flow.origin_call = &call;
    ++call.held;
  }
  advance(flow);
  return flow;
}

void EnsembleRunner::end_call(EnsembleCall& call, Response& response) {
  EnsembleFlow& flow = *call.flow;
  EnsembleFlow* last = &flow;
  EnsembleRun& run = *flow.run;
  const std::uint32_t step = call.step;
  std::erase(run.calls, &call);
  --inflight_[step];
  add_durations(run, response.request->times);
  if (!response.status.ok()) {
    fail(run, std::move(response.status).with_prefix("in ensemble '" + plan_.name + "', "));
  } else if (run.responder.cancelled()) {  // S-47
    fail(run, Status(Code::kCancelled, ""));
  } else if (run.error.ok() && !plan_.ensemble.steps[step].decoupled) {
    store_outputs(flow, step, response);
  } else if (run.error.ok() && !response.flags_only) {
    last = &spawn(call, response);
  }
  call.ended = true;
  let_go(call);
  --flow.busy;
  if (run.error.ok()) advance(flow);
  start_waiting(step, run);
  settle(*last);
}

// S-46. `current` is settled by the caller.
void EnsembleRunner::start_waiting(std::uint32_t step, const EnsembleRun& current) {
  while (!waiting_[step].empty() && inflight_[step] < plan_.ensemble.max_inflight_requests) {
    EnsembleFlow& flow = *waiting_[step].front();
    waiting_[step].pop_front();
    --flow.run->waiting;
    --flow.busy;
    submit(flow, step);
    if (flow.run != &current) settle(flow);
  }
}

// The first failure is the request's; what still runs for it is called off.
void EnsembleRunner::fail(EnsembleRun& run, Status status) {
  if (!run.error.ok()) return;
  run.error = std::move(status);
  for (const EnsembleCall* call : run.calls) (void)engine_.cancel(call->request->handle());
  const auto of_run = [&](const EnsembleFlow* flow) {
    if (flow->run != &run) return false;
    --run.waiting;
    return true;
  };
  for (auto& queue : waiting_) std::erase_if(queue, of_run);
  std::erase_if(blocked_, of_run);
}

// Nothing runs for the request any more.
void EnsembleRunner::finish(EnsembleRun& run) {
  if (run.responder.finished()) return;
  while (!run.flows.empty()) drop(*run.flows.back());
  model_.set_compute(run.responder.request(), run.compute_ns);
  if (run.error.ok() && !plan_.decoupled) {
    run.error =
        internal_error("in ensemble '" + plan_.name + "', " + run.responder.request().tag_text() +
                       "unexpected deadlock, at least one output is not set while no more "
                       "ensemble steps can be made");
  }
  run.responder.finish(nullptr, std::move(run.error));
}

void EnsembleRunner::respond(EnsembleFlow& flow) {
  EnsembleRun& run = *flow.run;
  Request& request = run.responder.request();
  const bool behind_others = std::any_of(blocked_.begin(), blocked_.end(), [&](const auto* other) {
    return other->run == &run && other != &flow;
  });
  auto begun = behind_others ? Result<Response*>(nullptr) : model_.try_begin_response(request);
  if (!begun.ok()) return fail(run, begun.take_status());
  if (begun.value() == nullptr) return block(flow);
  send(flow, begun.value());
}

// The client has not taken enough of the responses before.
void EnsembleRunner::block(EnsembleFlow& flow) {
  ++flow.busy;
  ++flow.run->waiting;
  blocked_.push_back(&flow);
}

void EnsembleRunner::send(EnsembleFlow& flow, Response* response) {
  EnsembleRun& run = *flow.run;
  Request& request = run.responder.request();
  flow.answered = true;
  for (std::uint32_t i = 0; i < plan_.outputs.size(); ++i) {
    const EnsembleTensor& tensor = flow.find(graph_.tensor_of_output(i));
    if (!request.wants_output(i) || tensor.state != EnsembleTensor::State::kThere) continue;
    TensorView view = tensor.view;
    adapt_batch(plan_.outputs[i], plan_.batching(), view.shape);
    Status status = run.responder.set_output(*response, i, view, tensor.lease);
    if (!status.ok()) {
      model_.drop_response(response);
      return fail(run, std::move(status));
    }
  }
  if (plan_.decoupled) return run.responder.send(response);
  model_.set_compute(request, run.compute_ns);
  run.responder.finish(response);
}

void EnsembleRunner::retry_blocked() {
  std::deque<EnsembleFlow*> again = std::exchange(blocked_, {});
  for (EnsembleFlow* flow : again) {  // in their order; what is refused goes back
    --flow->busy;
    --flow->run->waiting;
    if (flow->run->error.ok()) respond(*flow);
    settle(*flow);
  }
}

}  // namespace penstock
