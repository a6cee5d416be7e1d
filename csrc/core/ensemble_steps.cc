// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// EnsembleRunner: which steps run, and with what.
#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "batch/shapes.h"
#include "core/ensemble_runner.h"
#include "core/served_model.h"

namespace penstock {
namespace {

void read_override(const Parameter& parameter, SequenceOverride& to) {
  if (parameter.name == "sequence_id") {
    if (const auto* text = std::get_if<std::string>(&parameter.value)) to.id_string = *text;
    if (const auto* id = std::get_if<std::int64_t>(&parameter.value)) {
      to.id = static_cast<std::uint64_t>(*id);
    }
    if (const auto* id = std::get_if<std::uint64_t>(&parameter.value)) to.id = *id;
  } else if (parameter.name == "sequence_start") {
    if (const auto* flag = std::get_if<bool>(&parameter.value)) to.start = *flag;
  } else if (parameter.name == "sequence_end") {
    if (const auto* flag = std::get_if<bool>(&parameter.value)) to.end = *flag;
  }
}

void set_flag(std::uint32_t& flags, RequestFlag flag, const std::optional<bool>& value) {
  if (value) flags = *value ? flags | flag : flags & ~static_cast<std::uint32_t>(flag);
}

// S-41: what a step has of the ensemble's request.
void inherit(const Request& from, const SequenceOverride& sequence, Request& to) {
  to.id = from.id;
  to.correlation_id = from.correlation_id;
  to.correlation_id_string = from.correlation_id_string;
  to.flags = from.flags;
  to.priority = from.priority;
  to.timeout_us = from.timeout_us;
  to.deadline_ns = from.deadline_ns;
  for (const auto& parameter : from.parameters) to.parameters.append() = parameter;
  if (sequence.id) {
    to.correlation_id = *sequence.id;
    to.correlation_id_string.clear();
  }
  if (sequence.id_string) to.correlation_id_string = *sequence.id_string;
  set_flag(to.flags, kSequenceStart, sequence.start);
  set_flag(to.flags, kSequenceEnd, sequence.end);
}

}  // namespace

EnsembleFlow& EnsembleRunner::add_flow(EnsembleRun& run, EnsembleFlow* parent,
                                       std::uint32_t source) {
  auto flow = std::make_unique<EnsembleFlow>();
  flow->run = &run;
  flow->parent = parent;
  flow->source = source;
  flow->tensors.resize(plan_.ensemble.tensors.size());
  flow->started.assign(plan_.ensemble.steps.size(), false);
  if (parent != nullptr) flow->sequence = parent->sequence;
  run.flows.push_back(std::move(flow));
  return *run.flows.back();
}

void EnsembleRunner::store_outputs(EnsembleFlow& flow, std::uint32_t step, Response& response) {
  const ModelPlan& model = response.request->plan();
  for (const auto& mapping : plan_.ensemble.steps[step].outputs) {
    EnsembleTensor& tensor = flow.tensors[mapping.ensemble];
    tensor.state = EnsembleTensor::State::kAbsent;
    const int spec = model.find_output(mapping.tensor);
    for (const auto& output : response.outputs) {
      if (static_cast<int>(output.spec) != spec) continue;
      tensor = {EnsembleTensor::State::kThere, output.view, output.lease};
    }
  }
  for (const auto& parameter : response.parameters) read_override(parameter, flow.sequence);
}

bool EnsembleRunner::ready(const EnsembleFlow& flow, std::uint32_t step) const {
  if (!flow.run->needs.steps[step] || flow.started[step]) return false;
  if (graph_.source_of_step(step) != flow.source) return false;
  const auto& inputs = plan_.ensemble.steps[step].inputs;
  return std::none_of(inputs.begin(), inputs.end(), [&](const auto& input) {
    return flow.find(input.ensemble).state == EnsembleTensor::State::kPending;
  });
}

void EnsembleRunner::advance(EnsembleFlow& changed) {
  EnsembleRun& run = *changed.run;
  for (std::size_t i = 0; i < run.flows.size(); ++i) {
    EnsembleFlow& flow = *run.flows[i];
    if (!flow.within(changed)) continue;
    for (std::uint32_t step = 0; step < plan_.ensemble.steps.size(); ++step) {
      if (ready(flow, step)) start_step(flow, step);
      if (!run.error.ok()) return;
    }
    if (flow.source != run.needs.source || flow.answered) continue;
    const auto& outputs = run.needs.outputs;
    const bool complete = std::none_of(outputs.begin(), outputs.end(), [&](std::uint32_t tensor) {
      return flow.find(tensor).state == EnsembleTensor::State::kPending;
    });
    if (complete && std::find(blocked_.begin(), blocked_.end(), &flow) == blocked_.end()) {
      respond(flow);
    }
    if (!run.error.ok() || run.responder.finished()) return;
  }
}

void EnsembleRunner::start_step(EnsembleFlow& flow, std::uint32_t step) {
  flow.started[step] = true;
  const std::uint32_t limit = plan_.ensemble.max_inflight_requests;
  if (limit == 0 || inflight_[step] < limit) return submit(flow, step);
  ++flow.busy;  // S-46
  ++flow.run->waiting;
  waiting_[step].push_back(&flow);
}

void EnsembleRunner::submit(EnsembleFlow& flow, std::uint32_t step) {
  EnsembleRun& run = *flow.run;
  Request* request = engine_.acquire();
  if (request == nullptr) {
    return fail(run, unavailable("in ensemble '" + plan_.name + "', too many requests in flight"));
  }
  auto call = std::make_unique<EnsembleCall>();
  call->flow = &flow;
  call->step = step;
  call->request = request;
  request->tag = call.get();
  request->completion = &ring_;
  Status status = fill(*request, flow, step);
  if (status.ok()) status = burst_.submit(*request);
  if (!status.ok()) {
    engine_.release(request);
    return fail(run, std::move(status).with_prefix("in ensemble '" + plan_.name + "', "));
  }
  run.calls.push_back(call.release());
  ++flow.busy;
  ++inflight_[step];
}

Status EnsembleRunner::fill(Request& request, const EnsembleFlow& flow, std::uint32_t number) {
  const EnsembleStep& step = plan_.ensemble.steps[number];
  flow.run->pins[number].bind(request);
  if (request.plan().decoupled && !step.decoupled) {
    return internal_error("model '" + step.model + "' has become decoupled");
  }
  inherit(flow.run->responder.request(), flow.sequence, request);
  request.times.received = engine_.clock().now_ns();
  request.times.decoded = request.times.received;
  for (const auto& mapping : step.inputs) {
    const EnsembleTensor& tensor = flow.find(mapping.ensemble);
    if (tensor.state != EnsembleTensor::State::kThere) continue;
    InputTensor* input = request.add_input(mapping.tensor);
    if (input == nullptr) return internal_error("input '" + mapping.tensor + "' is mapped twice");
    input->view = tensor.view;
    input->lease = tensor.lease;
    if (input->spec != kUnknownSpec) {
      adapt_batch(request.plan().inputs[input->spec], request.plan().batching(), input->view.shape);
    }
  }
  for (const auto& mapping : step.outputs) (void)request.add_output(mapping.tensor);
  request.step_ = true;
  if (const auto& trace = flow.run->responder.request().trace) {
    engine_.tracer().begin_child(trace->link(), request);
  }
  return {};
}

bool EnsembleRunner::over(const EnsembleFlow& flow) const {
  const EnsembleRun& run = *flow.run;
  if (flow.busy > 0) return false;
  if (flow.source == run.needs.source && !flow.answered) return false;
  for (std::uint32_t step = 0; step < plan_.ensemble.steps.size(); ++step) {
    if (run.needs.steps[step] && graph_.source_of_step(step) == flow.source &&
        !flow.started[step]) {
      return false;
    }
  }
  return true;
}

void EnsembleRunner::settle(EnsembleFlow& last) {
  EnsembleRun& run = *last.run;
  EnsembleFlow* flow = &last;
  while (run.error.ok() && flow->parent != nullptr && over(*flow)) {
    EnsembleFlow* parent = flow->parent;
    drop(*flow);
    --parent->busy;
    flow = parent;
  }
  if (run.calls.empty() && run.waiting == 0) finish(run);
  if (run.responder.finished() && run.calls.empty()) {
    while (!run.flows.empty()) drop(*run.flows.back());
    std::erase_if(runs_, [&](const auto& r) { return r.get() == &run; });
  }
}

void EnsembleRunner::drop(EnsembleFlow& flow) {
  if (flow.origin != nullptr) {
    EnsembleCall& call = *flow.origin_call;
    engine_.release(flow.origin);
    --call.held;
    let_go(call);
  }
  std::erase_if(flow.run->flows, [&](const auto& f) { return f.get() == &flow; });
}

void EnsembleRunner::let_go(EnsembleCall& call) {
  if (!call.ended || call.held > 0) return;
  engine_.release(call.request);
  delete &call;
}

}  // namespace penstock
