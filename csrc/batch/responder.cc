// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Responder: the answers of a request of a decoupled model.
#include <utility>

#include "batch/outputs.h"
#include "penstock/backend.h"

namespace penstock {

Responder::~Responder() {
  if (request_ == nullptr) return;
  finish(nullptr, internal_error("model '" + request_->plan().name +
                                 "' dropped a request without its final response"));
}

Result<Response*> Responder::begin() { return request_->sink_->begin_response(*request_); }

Result<Response*> Responder::try_begin() { return request_->sink_->try_begin_response(*request_); }

const std::shared_ptr<ResponseReader>& Responder::reader() const { return request_->reader_; }

void Responder::set_reader(std::shared_ptr<ResponseReader> reader) {
  request_->reader_ = std::move(reader);
}

Status Responder::set_output(Response& response, std::uint32_t spec, const TensorView& view,
                             const BufferLease& lease) {
  return add_output(*request_, response, spec, view, lease);
}

void Responder::send(Response* response) { request_->sink_->send(*request_, response); }

void Responder::finish(Response* response, Status status) {
  Request& request = *std::exchange(request_, nullptr);
  request.sink_->finish(request, response, std::move(status));
}

}  // namespace penstock
