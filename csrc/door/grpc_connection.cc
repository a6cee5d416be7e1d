// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_connection.h"

#include <algorithm>
#include <array>

#include "door/grpc_upstream.h"

namespace penstock::door {
namespace {

// By gRPC's rules of retries; also clients that do not keep to them can read it.
constexpr std::string_view kRetryAfter = "grpc-retry-pushback-ms";

H2Limits limits_of(const GrpcDoorLimits& limits) {
  H2Limits out;
  out.max_streams = limits.max_streams;
  out.max_header_bytes = limits.max_header_bytes;
  return out;
}

PingRules rules_of(const GrpcKeepalive& keepalive) {
  return {keepalive.min_recv_ping_interval_ns, keepalive.max_ping_strikes,
          keepalive.permit_without_calls};
}

GrpcCall& call_of(H2Stream& stream) { return static_cast<GrpcCall&>(stream); }

constexpr std::string_view kShuttingDown =
    "GRPC server is shutting down and has stopped accepting new requests.";

}  // namespace

GrpcConnection::GrpcConnection(GrpcContext& context, Handler& socket)
    : context_(context),
      socket_(socket),
      guard_(rules_of(context.options.keepalive)),
      session_(H2Session::Role::kServer, *this, limits_of(context.options.limits)),
      opened_ns_(context.loop.now_ns()),
      received_ns_(opened_ns_) {
  start_clock();
}

GrpcConnection::~GrpcConnection() { abandon(); }

bool GrpcConnection::receive(ByteSpan bytes) {
  received_ns_ = context_.loop.now_ns();
  pinged_ns_ = 0;  // the client lives
  return session_.receive(bytes);
}

bool GrpcConnection::over() const {
  return session_.over() || (last_goaway_sent_ && calls_.empty() && !session_.wants_send());
}

void GrpcConnection::drain() {
  if (drained_ns_ != 0) return;
  drained_ns_ = context_.loop.now_ns();
  session_.announce_shutdown();
  session_.ping();  // its answer comes behind every call that was on its way
  schedule(drained_ns_ + kHousekeepingNs);
  for (auto& call : calls_) {
    if (call->passed == nullptr && !call->answered) finish_stream(*call);
  }
  wake();
}

void GrpcConnection::on_ping_answered() {
  if (drained_ns_ == 0 || last_goaway_sent_) return;
  last_goaway_sent_ = true;
  session_.shut_down();
}

void GrpcConnection::end() {
  if (!std::exchange(last_goaway_sent_, true)) session_.shut_down();
  wake();
}

void GrpcConnection::abandon() {
  while (!calls_.empty()) close_call(*calls_.back());
}

bool GrpcConnection::on_noise(H2Noise noise) {
  const std::int64_t now_ns = context_.loop.now_ns();
  switch (noise) {
    case H2Noise::kReset:
      return guard_.reset(now_ns);
    case H2Noise::kPing:
      return guard_.ping(now_ns, !calls_.empty());
    case H2Noise::kFrame:
      greeted_ = true;  // the first frame of a client is SETTINGS
      return guard_.frame(now_ns);
  }
  return false;
}

H2Stream* GrpcConnection::on_opened() {
  greeted_ = true;
  std::unique_ptr<GrpcCall> call = context_.calls.take();
  call->index = calls_.size();
  call->head.keeps_fields = context_.has_rules;
  call->begun_ns = call->data_ns = call->sent_ns = context_.loop.now_ns();
  context_.counters.requests_begun.add(1);
  calls_.push_back(std::move(call));
  return calls_.back().get();
}

void GrpcConnection::on_field(H2Stream& stream, std::string_view name, std::string_view value) {
  GrpcCall& call = call_of(stream);
  if (!call.answered && !call.head_done) call.head.add(name, value);
}

void GrpcConnection::on_headers_too_large(H2Stream& stream) { call_of(stream).too_large = true; }

void GrpcConnection::on_headers(H2Stream& stream, bool trailers, bool end) {
  GrpcCall& call = call_of(stream);
  if (trailers) return;  // a client's trailers mean nothing to gRPC
  call.head_done = true;
  if (refuse_head(call)) return;
  if (context_.has_rules && !admit(call)) [[unlikely]]
    return;
  if (call.head.timeout_ns) {
    call.deadline_ns = call.begun_ns + *call.head.timeout_ns;
    if (call.head.rpc != Rpc::kPassOn) schedule(call.deadline_ns);
  }
  if (calls_.size() == 1) schedule(call.begun_ns + kHousekeepingNs);
  if (call.head.rpc != Rpc::kPassOn) return;
  context_.counters.passed_on.add(1);
  if (context_.upstream == nullptr) {
    fail(call, GrpcStatus::kUnimplemented, "Method not found!");
  } else if (!context_.upstream->begin(*this, call, end)) {
    fail(call, GrpcStatus::kUnavailable, "the control plane does not answer");
  }
}

// What is no gRPC call, or one that cannot be served.
bool GrpcConnection::refuse_head(GrpcCall& call) {
  const GrpcHead& head = call.head;
  if (call.too_large) {
    fail(call, GrpcStatus::kResourceExhausted, "received metadata is too large");
  } else if (!head.post) {
    refuse_http(call, "405");
  } else if (!head.grpc) {
    refuse_http(call, "415");
  } else if (head.bad_timeout) {
    fail(call, GrpcStatus::kInvalidArgument, "malformed grpc-timeout");
  } else if (context_.state.refusing) {
    fail(call, GrpcStatus::kUnavailable, kShuttingDown);
  } else if (!head.encoding && head.rpc != Rpc::kPassOn) {
    fail(call, GrpcStatus::kUnimplemented, "the message encoding is not supported");
  } else {
    return false;
  }
  return true;
}

void GrpcConnection::refuse_http(GrpcCall& call, std::string_view http_status) {
  call.answered = call.head_sent = true;
  const std::array<H2Field, 1> fields{{{":status", http_status}}};
  session_.respond(call, fields, true);
}

void GrpcConnection::on_data(H2Stream& stream, ByteSpan bytes) {
  GrpcCall& call = call_of(stream);
  call.data_ns = context_.loop.now_ns();
  call.received_bytes += bytes.size();
  if (call.passed != nullptr) {
    session_.consume_connection(bytes.size());
    call.unconsumed += bytes.size();
    GrpcUpstream::data(call, bytes);
  } else if (call.answered) {
    session_.consume(call, bytes.size());
  } else if (held(call)) {
    session_.consume_connection(bytes.size());
    call.unconsumed += bytes.size();
    read_messages(call, bytes);
  } else {
    session_.consume(call, bytes.size());
    read_messages(call, bytes);
  }
}

std::span<std::byte> GrpcConnection::room(H2Stream& stream, BufferLease& lease) {
  const GrpcCall& call = call_of(stream);
  if (call.passed != nullptr || call.answered) return {};
  lease = call.reader.lease();
  return call.reader.room();
}

void GrpcConnection::read_messages(GrpcCall& call, ByteSpan bytes) {
  while (!bytes.empty() && !call.answered) {
    GrpcMessage message;
    const auto event = call.reader.read(bytes, message, context_.engine.pool(), context_.budget,
                                        context_.options.limits.max_message_bytes);
    switch (event) {
      case MessageReader::Event::kMore:
        return;
      case MessageReader::Event::kMessage:
        call.messages.push(std::move(message));
        if (call.head.rpc == Rpc::kModelStreamInfer) {
          process(call);
        } else if (call.messages.size() > 1) {
          return fail(call, GrpcStatus::kInvalidArgument, "expected one message, got more");
        }
        break;
      case MessageReader::Event::kBadFlags:
        return fail(call, GrpcStatus::kInvalidArgument, "malformed message: unknown flags");
      case MessageReader::Event::kTooLarge:
        return fail(call, GrpcStatus::kResourceExhausted, "received message is too large");
      case MessageReader::Event::kNoBudget:
        context_.counters.refused.add(1);
        return fail(call, GrpcStatus::kUnavailable, "too many bytes in flight, try again later");
    }
  }
}

void GrpcConnection::on_end(H2Stream& stream) {
  GrpcCall& call = call_of(stream);
  call.ended = true;
  if (call.passed != nullptr) return GrpcUpstream::end(call);
  if (call.answered) return;
  if (call.reader.inside()) {
    return fail(call, GrpcStatus::kInvalidArgument, "malformed message: it is incomplete");
  }
  if (call.head.rpc != Rpc::kModelStreamInfer && call.messages.empty()) {
    return fail(call, GrpcStatus::kInvalidArgument, "expected one message, got none");
  }
  process(call);
}

void GrpcConnection::on_sent(H2Stream& stream) {
  GrpcCall& call = call_of(stream);
  call.sent_ns = context_.loop.now_ns();
  if (call.passed != nullptr) {
    GrpcUpstream::sent(call);
  } else if (!call.messages.empty() || call.unconsumed > 0) {
    process(call);
  }
}

void GrpcConnection::on_last_data(H2Stream& stream) {
  GrpcCall& call = call_of(stream);
  if (!call.trailers.empty()) {
    std::vector<H2Field> trailers;
    call.trailers.list(trailers);
    return session_.send_trailers(call, trailers);
  }
  std::array<H2Field, 3> fields{{{"grpc-status", grpc_status_text(call.status)}}};
  std::size_t count = 1;
  std::string text;
  append_grpc_message(text, call.status_message);
  if (!text.empty()) fields[count++] = {"grpc-message", text};
  if (!call.retry_after_ms.empty()) fields[count++] = {kRetryAfter, call.retry_after_ms};
  session_.send_trailers(call, std::span(fields).first(count));
}

// The answer is this status: at once, or behind the responses that are on their way.
void GrpcConnection::fail(GrpcCall& call, GrpcStatus status, std::string_view message) {
  call.answered = true;
  cancel_inferences(call);
  call.messages.clear();
  call.reader.reset();
  if (call.unconsumed > 0) session_.consume_stream(call, std::exchange(call.unconsumed, 0));
  call.status = status;
  call.status_message = message;
  if (call.head_sent) return session_.queued(call, true);
  call.head_sent = true;
  std::string text;
  append_grpc_message(text, message);
  const std::array<H2Field, 6> fields{{{":status", "200"},
                                       {"content-type", "application/grpc"},
                                       {"grpc-status", grpc_status_text(status)},
                                       {"grpc-message", text},
                                       {"grpc-accept-encoding", "identity, deflate, gzip"},
                                       {kRetryAfter, call.retry_after_ms}}};
  session_.respond(call, std::span(fields).first(call.retry_after_ms.empty() ? 5 : 6), true);
}

void GrpcConnection::fail(GrpcCall& call, const Status& status) {
  constexpr std::int64_t kMsNs = 1'000'000;
  if (const std::int64_t ns = status.retry_after_ns(); ns > 0) {
    call.retry_after_ms = std::to_string((ns + kMsNs - 1) / kMsNs);
  }
  fail(call, grpc_status(status.code()), status.message());
}

void GrpcConnection::cancel_inferences(GrpcCall& call) {
  for (Inference* inference : call.inferences) {
    inference->call = nullptr;
    if (inference->stage == Inference::Stage::kRunning) {
      (void)context_.engine.cancel(inference->request->handle());  // comes back by answer()
    } else {
      inference->self.reset();
    }
  }
  call.inferences.clear();
  for (Inference* inference : call.decoupled) {
    inference->call = nullptr;
    (void)context_.engine.cancel(inference->request->handle());
  }
  call.decoupled.clear();
  for (Inference* inference : call.responses) {
    inference->call = nullptr;
    inference->self.reset();
  }
  call.responses.clear();
  call.inflater.reset();
  if (call.working) std::erase(working_, &call);
  call.working = false;
}

void GrpcConnection::on_closed(H2Stream& stream, H2Error) { close_call(call_of(stream)); }

void GrpcConnection::close_call(GrpcCall& call) {
  cancel_inferences(call);
  if (call.passed != nullptr) GrpcUpstream::cancel(call);
  context_.counters.requests_ended.add(1);
  std::unique_ptr<GrpcCall> owned = std::move(calls_[call.index]);
  if (owned->index + 1 != calls_.size()) {
    calls_[owned->index] = std::move(calls_.back());
    calls_[owned->index]->index = owned->index;
  }
  calls_.pop_back();
  context_.calls.give_back(std::move(owned));
  if (context_.state.refusing) context_.ended.notify();
}

}  // namespace penstock::door
