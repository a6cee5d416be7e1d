// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_call.h"

#include <utility>

namespace penstock::door {

InferencePool::~InferencePool() {
  while (free_ != nullptr) delete std::exchange(free_, free_->next_free_);
}

Inference& InferencePool::take() {
  Inference* inference = free_;
  if (inference != nullptr) {
    free_ = inference->next_free_;
  } else {
    inference = new Inference;
    inference->pool_ = this;
    inference->keeper_.owner = inference;
    inference->keeper_.release = give_back;
  }
  inference->keeper_.refs.reset(1);  // not yet shared
  inference->self = BufferLease::adopt(&inference->keeper_);
  inference->stage = Inference::Stage::kRunning;
  return *inference;
}

void InferencePool::give_back(Buffer* keeper) noexcept {
  auto* inference = static_cast<Inference*>(keeper->owner);
  InferencePool& pool = *inference->pool_;
  if (inference->response != nullptr) pool.engine_.release(inference->response);
  if (inference->request != nullptr) pool.engine_.release(inference->request);
  inference->response = nullptr;
  inference->request = nullptr;
  inference->owner.reset();  // after its response: a request goes last
  inference->call = nullptr;
  inference->decoupled = false;
  inference->status = {};
  inference->id.clear();
  inference->model.clear();
  inference->version.clear();
  inference->compressed = {};
  inference->deflater.reset();
  inference->reply.clear();
  inference->share.reset();
  inference->waiting.reset();
  inference->next_free_ = pool.free_;
  pool.free_ = inference;
}

void GrpcCall::clear() {
  reset_stream();
  head.clear();
  reader.reset();
  messages.clear();
  inflater.reset();
  inferences.clear();
  decoupled.clear();
  responses.clear();
  unconsumed = 0;
  too_large = head_done = ended = answered = head_sent = working = false;
  status = GrpcStatus::kOk;
  status_message.clear();
  retry_after_ms.clear();
  passed = nullptr;
  trailers.clear();
  deadline_ns = kNoDeadline;
  received_bytes = 0;
}

Inference* GrpcCall::find_deflating() {
  for (auto* queue : {&inferences, &responses}) {
    for (Inference* inference : *queue) {
      if (inference->stage == Inference::Stage::kDeflating) return inference;
    }
  }
  return nullptr;
}

std::unique_ptr<GrpcCall> CallPool::take() {
  if (idle_.empty()) return std::make_unique<GrpcCall>();
  std::unique_ptr<GrpcCall> call = std::move(idle_.back());
  idle_.pop_back();
  return call;
}

void CallPool::give_back(std::unique_ptr<GrpcCall> call) {
  call->clear();
  if (idle_.size() < kKept) idle_.push_back(std::move(call));
}

}  // namespace penstock::door
