// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcConnection: from messages to the core.
#include <string>

#include "door/grpc_connection.h"
#include "door/grpc_messages.h"

namespace penstock::door {
namespace {

constexpr std::string_view kTooLarge = "received message is too large";

}  // namespace

// A client that sends faster than it is answered, or does not read, has to wait (G-25).
bool GrpcConnection::held(GrpcCall& call) {
  return call.in_flight() >= kMaxInFlight || call.queue().size_bytes() > kMaxQueuedBytes ||
         call.inflater != nullptr;
}

void GrpcConnection::process(GrpcCall& call) {
  while (!call.messages.empty() && !call.answered && !held(call)) {
    if (call.messages.front().compressed) {
      if (*call.head.encoding == Encoding::kIdentity) {
        return fail(call, GrpcStatus::kInternal,
                    "the message is compressed, but grpc-encoding names no compression");
      }
      call.inflater = std::make_unique<Inflater>(call.messages.front().bytes,
                                                 context_.options.limits.max_message_bytes,
                                                 context_.engine.pool(), context_.budget);
      return start_work(call);
    }
    GrpcMessage message = std::move(call.messages.front());
    call.messages.pop();
    serve(call, std::move(message));
  }
  if (call.answered) return;
  if (call.unconsumed > 0 && !held(call)) {
    session_.consume_stream(call, std::exchange(call.unconsumed, 0));
  }
  finish_stream(call);
}

// G-27: the client has half-closed, and everything is answered.
void GrpcConnection::finish_stream(GrpcCall& call) {
  if (call.head.rpc != Rpc::kModelStreamInfer) return;
  if (call.in_flight() > 0 || !call.responses.empty()) return;
  if (context_.state.refusing) {
    return fail(call, GrpcStatus::kUnavailable,
                "GRPC server is shutting down and has stopped accepting new requests.");
  }
  if (!call.ended || !call.messages.empty()) return;
  if (!call.head_sent) return fail(call, GrpcStatus::kOk, "");
  call.answered = true;
  session_.queued(call, true);
}

// True: the message is inflated, or has failed.
bool GrpcConnection::inflate_slice(GrpcCall& call) {
  bool done = false;
  const Status status = call.inflater->step(done);
  if (status.ok() && !done) return false;
  const std::size_t size = call.inflater->size_bytes();
  if (!status.ok()) {
    const bool too_large = size > context_.options.limits.max_message_bytes;
    if (too_large) {
      fail(call, GrpcStatus::kResourceExhausted, kTooLarge);
    } else {
      fail(call, grpc_status(status.code()), "cannot decompress the message: " + status.message());
    }
    return true;
  }
  GrpcMessage& message = call.messages.front();
  message.lease = call.inflater->buffer();
  message.bytes = {message.lease->data, size};
  message.compressed = false;
  call.inflater.reset();  // which gives back its share of the budget
  if (message.share.take(context_.budget, size)) {
    process(call);
  } else {
    fail(call, GrpcStatus::kUnavailable, "too many bytes in flight, try again later");
  }
  return true;
}

void GrpcConnection::serve(GrpcCall& call, GrpcMessage message) {
  if (call.head.rpc == Rpc::kModelInfer || call.head.rpc == Rpc::kModelStreamInfer) {
    infer(call, std::move(message));
  } else {
    serve_control(call, message);
  }
}

void GrpcConnection::serve_control(GrpcCall& call, const GrpcMessage& message) {
  // The requests have a name (1) and a version (2), or nothing, as a ModelInferRequest begins.
  GrpcCodec::Target target;
  if (!context_.codec.peek(message.bytes, target).ok()) {
    const bool health = call.head.rpc == Rpc::kHealthCheck;
    const std::string name(health ? "HealthCheck" : rpc_name(call.head.rpc));
    return fail(call, GrpcStatus::kInvalidArgument,
                "failed to parse the " + name + "Request message");
  }
  const bool ready = context_.state.ready;
  switch (call.head.rpc) {
    case Rpc::kServerLive:
      return send_message(call, ready_message(!context_.state.exiting));
    case Rpc::kServerReady:
      return send_message(call, ready_message(ready));
    case Rpc::kHealthCheck:
      return send_message(call, health_message(ready));
    default:
      break;
  }
  bool model_is_ready = false;
  const Status status = model_ready(target, model_is_ready);
  if (!status.ok()) return fail(call, status);
  send_message(call, ready_message(model_is_ready));
}

// G-3: false for a version that is known but not ready; an unknown one is an error (H-23).
Status GrpcConnection::model_ready(const GrpcCodec::Target& target, bool& ready) {
  auto version = parse_version(target.version);
  if (!version.ok()) return version.take_status();
  const GrpcState& state = context_.state;
  if (!state.started || state.exiting) {
    return unavailable("Server not ready");
  }
  auto found = context_.engine.find(target.model, version.value());
  ready = found.ok() && found.value()->health().ok();
  if (found.ok() || found.status().code() == Code::kUnavailable) return {};
  return found.take_status();
}

void GrpcConnection::infer(GrpcCall& call, GrpcMessage message) {
  Inference& inference = context_.inferences.take();
  inference.handler = &socket_;
  inference.call = &call;
  context_.counters.inferences.add(1);
  Status status = submit(call, message, inference);
  if (status.ok() && inference.decoupled) {
    call.decoupled.push_back(&inference);
  } else {
    call.inferences.push(&inference);
  }
  if (status.ok()) return context_.loop.pin(socket_);
  refuse_inference(call, inference, std::move(status), message.bytes);
}

// The core does not have it.
void GrpcConnection::refuse_inference(GrpcCall& call, Inference& inference, Status status,
                                      ByteSpan message) {
  inference.stage = Inference::Stage::kFailed;
  if (call.head.rpc == Rpc::kModelInfer) {
    return fail(call, status);
  }
  inference.status = std::move(status);
  GrpcCodec::Target target;
  if (context_.codec.peek(message, target).ok()) inference.id = target.id;
  settle(call);
}

// The model that it has waited for is there, or will not be.
void GrpcConnection::go_on(GrpcCall& call, Inference& inference, Response& response) {
  const std::unique_ptr<GrpcMessage> message = std::move(inference.waiting);
  Status status = std::move(response.status);
  context_.engine.release(std::exchange(inference.request, nullptr));
  if (status.ok()) status = submit(call, *message, inference);
  if (!status.ok()) {
    const ByteSpan bytes = inference.waiting ? inference.waiting->bytes : message->bytes;
    return refuse_inference(call, inference, std::move(status), bytes);
  }
  context_.loop.pin(socket_);
  if (!inference.decoupled) return;
  call.inferences.erase(&inference);
  call.decoupled.push_back(&inference);
}

Status GrpcConnection::submit(GrpcCall& call, GrpcMessage& message, Inference& inference) {
  if (!context_.state.started) {
    return unavailable("Server not ready");
  }
  Engine& engine = context_.engine;
  Request* request = engine.acquire();
  if (request == nullptr) {
    return unavailable("too many requests in flight, raise --max-requests");
  }
  inference.request = request;
  GrpcCodec::Target target;
  PENSTOCK_RETURN_IF_ERROR(context_.codec.peek(message.bytes, target));
  auto version = parse_version(target.version);
  if (!version.ok()) return version.take_status();
  const bool stream = call.head.rpc == Rpc::kModelStreamInfer;
  request->completion = &context_.loop.completions();
  request->tag = static_cast<Ticket*>(&inference);
  request->deadline_ns = call.deadline_ns;
  request->times.received = stream ? context_.loop.now_ns() : call.begun_ns;
  if (!engine.bind(*request, target.model, version.value()).ok()) [[unlikely]] {
    PENSTOCK_RETURN_IF_ERROR(engine.await_model(*request, target.model, version.value()));
    inference.waiting = std::make_unique<GrpcMessage>(std::move(message));
    return {};
  }
  if (context_.has_rules) [[unlikely]] {
    PENSTOCK_RETURN_IF_ERROR(take_metadata(call, *request));
  }
  PENSTOCK_RETURN_IF_ERROR(context_.codec.decode(message.bytes, message.lease, *request,
                                                 stream ? Answers::kMany : Answers::kOne));
  inference.decoupled = request->plan().decoupled;
  inference.share = std::move(message.share);
  request->times.decoded = engine.clock().now_ns();
  return context_.burst.submit(*request);
}

}  // namespace penstock::door
