// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcConnection: from the core's responses to messages.
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "door/grpc_connection.h"
#include "door/grpc_messages.h"

namespace penstock::door {
namespace {

ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

void append_prefix(std::string& out, bool compressed, std::size_t size_bytes) {
  const auto prefix = grpc_prefix(compressed, size_bytes);
  out.append(reinterpret_cast<const char*>(prefix.data()), prefix.size());
}

}  // namespace

void GrpcConnection::answer(Inference& inference, Response& response) {
  if (response.final) context_.loop.unpin(socket_);
  GrpcCall* call = inference.call;
  if (call == nullptr) {
    return response.final ? inference.self.reset() : context_.engine.release(&response);
  }
  if (inference.waiting) [[unlikely]] {
    go_on(*call, inference, response);
  } else if (inference.decoupled) {
    take_response(*call, inference, response);
  } else {
    encode(*call, inference, response);
  }
  settle(*call);
  process(*call);
  wake();
}

// The final response of a decoupled request is its own inference's, each other has one to itself.
void GrpcConnection::take_response(GrpcCall& call, Inference& inference, Response& response) {
  Inference* taker = &inference;
  if (response.final) {
    std::erase(call.decoupled, &inference);
    if (response.flags_only && !response.request->wants_empty_final) {  // G-26
      return inference.self.reset();
    }
  } else {
    taker = &context_.inferences.take();
    taker->handler = &socket_;
    taker->call = &call;
    taker->response = &response;
    taker->owner = inference.self;
  }
  call.responses.push(taker);
  encode(call, *taker, response);
}

void GrpcConnection::encode(GrpcCall& call, Inference& inference, const Response& response) {
  inference.status = response.status;
  if (response.final) response.request->mark_sending(context_.engine.clock());
  if (inference.status.ok()) {
    inference.status = context_.codec.encode(response, inference.reply);
  }
  if (!inference.status.ok()) {
    const Request& request = *response.request;
    inference.stage = Inference::Stage::kFailed;
    inference.id = request.id;
    inference.model = request.plan().name;
    inference.version = std::to_string(request.plan().version);
  } else if (reply_encoding(call) != Encoding::kIdentity) {
    begin_deflating(inference);
  } else {
    inference.stage = Inference::Stage::kReady;
  }
}

// G-25: ordinary responses leave in the order of their requests, the others as they came.
void GrpcConnection::settle(GrpcCall& call) {
  send_ready(call, call.inferences);
  send_ready(call, call.responses);
}

// Takes inferences off the call; the queue holds each until its bytes are sent.
void GrpcConnection::send_ready(GrpcCall& call, Fifo<Inference*>& queue) {
  while (!call.answered && !queue.empty()) {
    Inference& inference = *queue.front();
    const bool failed = inference.stage == Inference::Stage::kFailed;
    if (!failed && inference.stage != Inference::Stage::kReady) return;
    queue.pop();
    inference.call = nullptr;
    const BufferLease self = std::move(inference.self);
    failed ? send_failure(call, inference, self) : send_reply(call, inference, self);
  }
}

void GrpcConnection::send_head(GrpcCall& call) {
  if (call.head_sent) return;
  call.head_sent = true;
  call.sent_ns = context_.loop.now_ns();
  const Encoding encoding = reply_encoding(call);
  const std::array<H2Field, 4> fields{{{":status", "200"},
                                       {"content-type", "application/grpc"},
                                       {"grpc-accept-encoding", "identity, deflate, gzip"},
                                       {"grpc-encoding", encoding_name(encoding)}}};
  const std::size_t count = encoding == Encoding::kIdentity ? 3 : 4;
  session_.respond(call, std::span(fields).first(count), false);
}

void GrpcConnection::send_reply(GrpcCall& call, Inference& inference, const BufferLease& self) {
  const bool stream = call.head.rpc == Rpc::kModelStreamInfer;
  const bool compressed = !inference.compressed.empty();
  send_head(call);
  inference.head.clear();
  H2SendQueue& queue = call.queue();
  if (compressed) {
    append_prefix(inference.head, true, inference.compressed.size());
    queue.push(bytes_of(inference.head), self);
    queue.push(bytes_of(inference.compressed), self);
  } else {
    std::string_view final;
    if (stream) final = final_response_parameter(inference.response == nullptr);
    std::string wrap;
    if (stream) append_stream_head(wrap, inference.reply.total_bytes + final.size());
    append_prefix(inference.head, false, wrap.size() + inference.reply.total_bytes + final.size());
    inference.head.append(wrap);
    queue.push(bytes_of(inference.head), self);
    for (const ByteSpan segment : inference.reply.segments) queue.push(segment, self);
    queue.push(bytes_of(final), {});
  }
  if (!stream) call.answered = true;
  session_.queued(call, !stream);
}

void GrpcConnection::send_failure(GrpcCall& call, Inference& inference, const BufferLease& self) {
  const Status status = std::move(inference.status);
  // The time now, not that of the round: the core may have seen the deadline pass since.
  const bool expired = call.deadline_ns <= context_.engine.clock().now_ns();
  if (expired) return fail(call, GrpcStatus::kDeadlineExceeded, "Deadline Exceeded");
  if (call.head.rpc != Rpc::kModelStreamInfer || call.head.close_on_error) {
    return fail(call, status);
  }
  send_head(call);
  std::string message;
  append_stream_error(message, {.message = status.message(),
                                .id = inference.id,
                                .model = inference.model,
                                .version = inference.version,
                                .final = inference.response == nullptr});
  inference.head.clear();
  append_prefix(inference.head, false, message.size());
  inference.head.append(message);
  call.queue().push(bytes_of(inference.head), self);
  session_.queued(call, false);
}

// A small message of a unary call.
void GrpcConnection::send_message(GrpcCall& call, std::string_view message) {
  BufferLease lease = context_.engine.pool().acquire(kGrpcPrefixBytes + message.size());
  if (!lease) return fail(call, GrpcStatus::kUnavailable, "not enough memory");
  const auto prefix = grpc_prefix(false, message.size());
  std::memcpy(lease->data, prefix.data(), prefix.size());
  std::memcpy(lease->data + prefix.size(), message.data(), message.size());
  send_head(call);
  call.queue().push({lease->data, prefix.size() + message.size()}, lease);
  call.answered = true;
  session_.queued(call, true);
}

Encoding GrpcConnection::reply_encoding(const GrpcCall& call) const {
  switch (context_.options.compression) {
    case GrpcCompression::kDeflate:
      return call.head.accepts_deflate ? Encoding::kDeflate : Encoding::kIdentity;
    case GrpcCompression::kGzip:
      return call.head.accepts_gzip ? Encoding::kGzip : Encoding::kIdentity;
    case GrpcCompression::kNone:
      break;
  }
  return Encoding::kIdentity;
}

void GrpcConnection::begin_deflating(Inference& inference) {
  GrpcCall& call = *inference.call;
  Reply& reply = inference.reply;
  if (call.head.rpc == Rpc::kModelStreamInfer) {
    const std::string_view final = final_response_parameter(inference.response == nullptr);
    inference.head.clear();
    append_stream_head(inference.head, reply.total_bytes + final.size());
    reply.segments.insert(reply.segments.begin(), bytes_of(inference.head));
    reply.segments.push_back(bytes_of(final));
    reply.total_bytes += inference.head.size() + final.size();
  }
  inference.stage = Inference::Stage::kDeflating;
  inference.deflater = std::make_unique<Deflater>(reply.segments, reply_encoding(call));
  start_work(call);
}

// True: nothing of this call is being deflated any more.
bool GrpcConnection::deflate_slice(GrpcCall& call) {
  Inference* inference = call.find_deflating();
  if (inference == nullptr) return true;
  if (!inference->deflater->step(inference->compressed)) return false;
  inference->stage = Inference::Stage::kReady;
  if (inference->deflater->failed()) {
    inference->stage = Inference::Stage::kFailed;
    inference->status = unavailable("not enough memory to compress the response");
  }
  inference->deflater.reset();
  settle(call);
  process(call);
  return false;  // the lists may have changed: look again in the next slice
}

void GrpcConnection::start_work(GrpcCall& call) {
  if (call.working) return;
  call.working = true;
  working_.push_back(&call);
  wake();
}

bool GrpcConnection::work() {
  if (working_.empty()) return false;
  GrpcCall& call = *working_.front();
  bool done = false;
  if (call.inflater != nullptr) {
    done = inflate_slice(call);
  } else {
    done = deflate_slice(call);
  }
  // The call may have failed meanwhile, and have left the list by that.
  if (call.working) {
    std::erase(working_, &call);
    call.working = !done || call.inflater != nullptr;
    if (call.working) working_.push_back(&call);
  }
  return !working_.empty();
}

}  // namespace penstock::door
