// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Responder: the answers of a request of a decoupled model.
#include <utility>

#include "batch/outputs.h"
#include "core/served_model.h"
#include "penstock/backend.h"

namespace penstock {
namespace {

ServedModel& model_of(Request& request) { return static_cast<ServedModel&>(*request.model()); }

}  // namespace

Responder::~Responder() {
  if (request_ == nullptr) return;
  finish(nullptr, internal_error("model '" + request_->plan().name +
                                 "' dropped a request without its final response"));
}

Result<Response*> Responder::begin() { return model_of(*request_).begin_response(*request_); }

Status Responder::set_output(Response& response, std::uint32_t spec, const TensorView& view,
                             const BufferLease& lease) {
  return add_output(*request_, response, spec, view, lease);
}

void Responder::send(Response* response) { model_of(*request_).send(*request_, response); }

void Responder::finish(Response* response, Status status) {
  Request& request = *std::exchange(request_, nullptr);
  model_of(request).finish(request, response, std::move(status));
}

}  // namespace penstock
