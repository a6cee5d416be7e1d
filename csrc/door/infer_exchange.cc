// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/infer_exchange.h"

#include <utility>

namespace penstock::door {

bool InferExchange::begin(const Route& route, const RequestHead& head, std::int64_t received_ns,
                          Outgoing& reply) {
  if (!context_.shared.state.started) {  // H-24
    reply.set_error(503, "Server not ready");
    return false;
  }
  const std::string_view encoding = head.content_encoding;
  compressed_ = encoding == "gzip" || encoding == "deflate";
  if (!compressed_ && !encoding.empty() && encoding != "identity") {  // H-33
    reply.set_error(501, "Unsupported compression type", "Accept-Encoding: gzip, deflate\r\n");
    return false;
  }
  accepted_ = head.accept_encoding.empty() ? Encoding::kIdentity : negotiate(head.accept_encoding);
  received_ns_ = received_ns;
  model_ = route.model;
  version_ = route.version;
  header_length_ = head.header_length;
  deadline_ = head.deadline;
  if (context_.shared.has_rules) [[unlikely]] {
    if (const Status status = take_headers(head); !status.ok()) {
      reply.set_error(status);
      return false;
    }
  }
  return true;
}

Status InferExchange::take_headers(const RequestHead& head) {
  const HeaderRules& rules = context_.shared.rules;
  trace_context_ = {};
  forwarded_.clear();
  for (const HeaderField& field : head.all()) {
    if (rules.trace_context && equals_ignoring_case(field.name, kTraceContext)) {
      trace_context_ = field.value;
    }
    if (!rules.forwarding) continue;
    const auto taken = rules.forwarding->takes(field.name);
    if (!taken.ok()) return taken.status();
    if (taken.value()) forwarded_.push_back(field);
  }
  return {};
}

std::optional<std::uint64_t> InferExchange::json_bytes(std::uint64_t content_length) const {
  if (header_length_.data() == nullptr || compressed_) return std::nullopt;
  const auto length = parse_header_length(header_length_, content_length);
  return length.ok() ? std::optional(length.value()) : std::nullopt;
}

InferExchange::Next InferExchange::run(ByteSpan body, const BufferLease& owner, Outgoing& reply) {
  if (compressed_) {
    inflater_.emplace(body, context_.limits.max_input_bytes, context_.engine.pool(),
                      context_.shared.budget);
    return inflate(reply);
  }
  const Status status = submit(body, owner);
  if (status.ok()) return Next::kWait;
  reply.set_error(status);
  return Next::kReply;
}

InferExchange::Next InferExchange::turn(Outgoing& reply) {
  return deflater_ ? deflate(reply) : inflate(reply);
}

InferExchange::Next InferExchange::inflate(Outgoing& reply) {
  bool done = false;
  Status status = inflater_->step(done);
  if (status.ok() && !done) return Next::kTurn;
  if (status.ok()) {
    const BufferLease& owner = inflater_->buffer();
    const ByteSpan body(owner ? owner->data : nullptr, inflater_->size_bytes());
    status = submit(body, owner);
  }
  if (status.ok()) return Next::kWait;
  reply.set_error(status);
  return Next::kReply;
}

Status InferExchange::submit(ByteSpan body, const BufferLease& owner) {
  std::optional<std::uint64_t> json_bytes;
  if (header_length_.data() != nullptr) {
    auto length = parse_header_length(header_length_, body.size());
    if (!length.ok()) return length.take_status();
    json_bytes = length.value();
  }
  auto version = parse_version(version_);
  if (!version.ok()) return version.take_status();
  std::uint64_t deadline_ms = Request::kNoDeadlineMs;
  if (deadline_.data() != nullptr) {
    auto parsed = parse_deadline_ms(deadline_);
    if (!parsed.ok()) return parsed.take_status();
    deadline_ms = parsed.value();
  }
  Engine& engine = context_.engine;
  request_ = engine.acquire();
  if (request_ == nullptr) {
    return unavailable("too many requests in flight, raise --max-requests");
  }
  request_->completion = &context_.loop.completions();
  request_->tag = &ticket_;
  request_->times.received = received_ns_;
  request_->deadline_ms = deadline_ms;
  if (Status bound = engine.bind(*request_, model_, version.value()); !bound.ok()) [[unlikely]] {
    in_core_ = true;  // it may be on its way back
    bound = engine.await_model(*request_, model_, version.value());
    in_core_ = waits_ = bound.ok();
    body_ = body;
    owner_ = owner;
    return bound;
  }
  if (context_.shared.has_rules) [[unlikely]] {
    request_->trace_context = trace_context_;
    for (const HeaderField& field : forwarded_) forward_header(*request_, field.name, field.value);
  }
  PENSTOCK_RETURN_IF_ERROR(context_.codec.decode(body, json_bytes, owner, *request_));
  request_->times.decoded = engine.clock().now_ns();
  // Before the submit: from there on the response may be on its way.
  in_core_ = true;
  Status status = context_.burst.submit(*request_);
  if (!status.ok()) {
    in_core_ = false;
    return status;
  }
  context_.counters.inferences.add(1);
  return status;
}

// Its model is there, or will not be.
InferExchange::Next InferExchange::go_on(Outgoing& reply) {
  waits_ = false;
  const BufferLease owner = std::move(owner_);
  Status status = std::move(request_->response.status);
  context_.engine.release(std::exchange(request_, nullptr));
  if (status.ok()) status = submit(body_, owner);
  if (status.ok()) return Next::kWait;
  reply.set_error(status);
  return Next::kReply;
}

InferExchange::Next InferExchange::finish(Outgoing& reply) {
  if (waits_) [[unlikely]]
    return go_on(reply);
  inflater_.reset();
  const Response& response = request_->response;
  request_->mark_sending(context_.engine.clock());
  const Status status =
      response.status.ok() ? context_.codec.encode(response, reply.reply()) : response.status;
  if (!status.ok()) {
    reply.set_error(status);
    return Next::kReply;
  }
  if (accepted_ == Encoding::kIdentity) {
    reply.set_inference();
    return Next::kReply;
  }
  deflater_.emplace(reply.reply().segments, accepted_);
  return deflate(reply);
}

InferExchange::Next InferExchange::deflate(Outgoing& reply) {
  if (!deflater_->step(reply.compressed())) return Next::kTurn;
  reply.set_inference(deflater_->failed() ? std::string_view() : encoding_name(accepted_));
  deflater_.reset();
  return Next::kReply;
}

void InferExchange::cancel() {
  if (in_core_) (void)context_.engine.cancel(request_->handle());
}

void InferExchange::reset() {
  inflater_.reset();
  deflater_.reset();
  owner_.reset();
  waits_ = false;
  if (request_ != nullptr) context_.engine.release(std::exchange(request_, nullptr));
}

}  // namespace penstock::door
