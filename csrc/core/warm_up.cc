// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: requests that warm an instance up (contract 2.10, X-60).
#include <deque>
#include <semaphore>
#include <string>
#include <vector>

#include "core/served_model.h"

namespace penstock {
namespace {

class Sleeper final : public Waker {
 public:
  void wake() noexcept override { woken_.release(); }
  void sleep() { woken_.acquire(); }

 private:
  std::counting_semaphore<> woken_{0};
};

// The next responses; waits for them.
CompletionNode* wait_for(CompletionRing& ring, Sleeper& sleeper) {
  for (;;) {
    ring.arm();
    if (CompletionNode* node = ring.take_all()) return node;
    sleeper.sleep();
  }
}

Status add_inputs(const ModelPlan& plan, const std::vector<WarmUpInput>& inputs, Request& request) {
  for (const auto& input : inputs) {
    const int spec = plan.find_model_input(input.name);
    const auto made = TensorSource::kBatch;
    if (spec < 0 || plan.inputs[static_cast<std::uint32_t>(spec)].source == made) {
      return invalid_arg("unexpected inference input '" + input.name + "' for model '" + plan.name +
                         "'");
    }
    InputTensor& added = request.inputs.append();
    added.spec = static_cast<std::uint32_t>(spec);
    added.view = input.view;
    added.lease = input.lease;
    PENSTOCK_RETURN_IF_ERROR(validate_input(plan, added));
  }
  for (std::uint32_t i = 0; i < plan.inputs.size(); ++i) {
    const TensorSpec& spec = plan.inputs[i];
    if (spec.optional || spec.source == TensorSource::kBatch) continue;
    if (request.find_input(i) != nullptr) continue;
    return invalid_arg("no data for required input '" + plan.inputs[i].name + "' of model '" +
                       plan.name + "'");
  }
  return {};
}

}  // namespace

Status ServedModel::warm_up(std::uint32_t index,
                            std::span<const std::vector<WarmUpInput>> samples) {
  const auto most = static_cast<std::size_t>(plan_->batching() ? plan_->max_batch_size : 1);
  if (samples.empty() || samples.size() > most) {
    return invalid_arg("a warm-up batch of model '" + plan_->name + "' has 1 to " +
                       std::to_string(most) + " requests, not " + std::to_string(samples.size()));
  }
  Sleeper sleeper;
  CompletionRing ring(sleeper);
  std::deque<Request> requests(samples.size());  // stay where they are
  std::vector<Request*> batch;
  Status failed;
  for (std::size_t i = 0; i < samples.size() && failed.ok(); ++i) {
    batch.push_back(&requests[i]);
    failed = prepare_warm_up(requests[i], samples[i], ring);
  }
  if (failed.ok() && !gate_.hand(index, batch)) {
    failed = unavailable("model '" + plan_->name + "' is stopped, or published already");
  }
  if (!failed.ok()) {
    for (Request* request : batch) leave(*request);
    return failed;
  }
  for (std::size_t left = batch.size(); left > 0;) {
    for (CompletionNode* node = wait_for(ring, sleeper); node != nullptr;) {
      auto* response = static_cast<Response*>(node);
      node = node->next;
      if (response->final) {
        if (failed.ok()) failed = response->status;
        --left;
      } else {
        Request& request = *response->request;  // another thread may have the response at once
        drop_response(response);
        response_read(request);
      }
    }
  }
  return failed;
}

Status ServedModel::prepare_warm_up(Request& request, const std::vector<WarmUpInput>& inputs,
                                    CompletionRing& ring) {
  request.response.request = &request;
  request.completion = &ring;
  request.warm_up_ = true;
  if (!enter(request)) return unavailable("model '" + plan_->name + "' is being stopped");
  for (auto state : {RequestState::kFilling, RequestState::kQueued, RequestState::kBatched}) {
    request.set_state(state);
  }
  return add_inputs(*plan_, inputs, request);
}

bool ServedModel::take_warm_up(std::uint32_t index, Batch& batch) {
  const auto requests = gate_.take(index);
  for (Request* request : requests) batch.add(request);
  take(index, batch);
  return !requests.empty();
}

void ServedModel::complete_warm_up(Batch& batch) {
  for (Request* request : batch.requests()) {
    // As for a request with a responder, whose other half is the batch.
    if (!request->deferred_) request->holds_.reset(1);
    let_go(*request);
  }
  batch.clear();
}

}  // namespace penstock
