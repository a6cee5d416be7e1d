// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What comes in and what it means. What goes out is in http1_replies.cc.
#include "door/http1_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace penstock::door {
namespace {

constexpr std::size_t kReceiveBytes = 16 << 10;
// A head that is larger than one buffer, and what a client may send ahead of its turn.
constexpr std::size_t kMostReceiveBytes = 64 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Http1Connection::Http1Connection(int fd, HttpContext& context)
    : Handler(fd),
      context_(context),
      body_(context.engine.pool(), context.shared.budget, context.limits.max_body_bytes),
      infer_(context, *this) {
  context_.loop.set_timer(*this, context_.loop.now_ns() + context_.limits.idle_timeout_ns);
}

void Http1Connection::on_events(Events events) {
  if (events.hung_up) return context_.loop.close(*this);
  if (events.writable && state_ == State::kSending) send_on();
  if (events.readable && !closed()) on_readable();
  advance();
}

void Http1Connection::on_turn() {
  // The turn may be that of a relayed request which has ended meanwhile.
  if (state_ == State::kInfer && infer_.wants_turn()) follow(infer_.turn(outgoing()));
  advance();
}

void Http1Connection::on_response(Response&) {
  infer_.returned();
  context_.loop.unpin(*this);
  if (closed()) return infer_.reset();
  follow(infer_.finish(outgoing()));
  advance();
}

// ---- bytes in

void Http1Connection::on_readable() {
  if (state_ == State::kLinger) return drop_input();
  if (state_ == State::kSending) return;
  const std::span<std::byte> room = state_ == State::kBody ? body_.room() : std::span<std::byte>();
  if (room.empty()) return receive();
  const ssize_t got = recv(fd(), room.data(), room.size(), MSG_DONTWAIT);
  if (got > 0) {
    context_.counters.bytes_received.add(static_cast<std::uint64_t>(got));
    phase_bytes_ += static_cast<std::uint64_t>(got);
    context_.loop.moved(static_cast<std::size_t>(got));
    body_.received(static_cast<std::size_t>(got));
  } else if (got == 0) {
    on_end_of_input();
  } else if (errno != EAGAIN && errno != EINTR) {
    context_.loop.close(*this);
  }
}

void Http1Connection::receive() {
  if (!make_room()) {
    return context_.loop.watch(*this, false, false);
  }
  const ssize_t got = recv(fd(), in_->data + in_end_, in_->size_bytes - in_end_, MSG_DONTWAIT);
  if (got > 0) {
    context_.counters.bytes_received.add(static_cast<std::uint64_t>(got));
    phase_bytes_ += static_cast<std::uint64_t>(got);
    in_end_ += static_cast<std::size_t>(got);
  } else if (got == 0) {
    on_end_of_input();
  } else if (errno != EAGAIN && errno != EINTR) {
    context_.loop.close(*this);
  }
}

void Http1Connection::drop_input() {
  std::array<std::byte, kReceiveBytes> dropped;
  const ssize_t got = recv(fd(), dropped.data(), dropped.size(), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) context_.loop.close(*this);
}

bool Http1Connection::has_room() const {
  return !in_ || in_end_ < in_->size_bytes || in_end_ - in_begin_ < kMostReceiveBytes;
}

// Views of the request that is under way keep the old buffer; what is left of it moves on.
bool Http1Connection::make_room() {
  if (in_ && in_end_ < in_->size_bytes) return true;
  const std::size_t left = in_end_ - in_begin_;
  if (left >= kMostReceiveBytes) return false;
  BufferLease fresh =
      context_.engine.pool().acquire(left < kReceiveBytes / 2 ? kReceiveBytes : kMostReceiveBytes);
  if (!fresh) return false;
  if (left > 0) std::memcpy(fresh->data, in_->data + in_begin_, left);
  in_ = std::move(fresh);
  in_begin_ = 0;
  in_end_ = left;
  return true;
}

std::string_view Http1Connection::received() const {
  if (!in_) return {};
  return {reinterpret_cast<const char*>(in_->data) + in_begin_, in_end_ - in_begin_};
}

// The client sends no more. It may have gone, or wait for its reply: a client that has gone answers
// whatever it is sent with a reset, one that waits takes an interim response for what it is.
void Http1Connection::on_end_of_input() {
  end_of_input_ = true;
  const bool complete = state_ == State::kInfer || (state_ == State::kRelay && relay_->fed());
  if (!complete) return context_.loop.close(*this);
  context_.loop.watch(*this, false, false);
  const bool begun = relay_ && relay_->started();
  if (minor_version_ > 0 && !begun && !send_continue()) context_.loop.close(*this);
}

bool Http1Connection::send_continue() {
  const ssize_t sent =
      ::send(fd(), kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(kContinue.size());
}

// ---- what they mean

void Http1Connection::advance() {
  bool going = true;
  while (going && !closed()) {
    switch (state_) {
      case State::kHead:
        going = take_head();
        break;
      case State::kBody:
        going = take_body();
        break;
      case State::kRelay:
        going = pump();
        break;
      default:
        going = false;
    }
  }
}

void Http1Connection::wait_for_head() {
  if (end_of_input_) return context_.loop.close(*this);
  if (in_begin_ == in_end_) {
    in_.reset();
    in_begin_ = in_end_ = 0;
    context_.loop.set_timer(*this, context_.loop.now_ns() + context_.limits.idle_timeout_ns);
  } else {
    context_.loop.set_timer(*this, began_ns_ + context_.limits.header_timeout_ns);
  }
}

bool Http1Connection::take_head() {
  if (in_begin_ < in_end_) {
    if (began_ns_ == 0) began_ns_ = context_.loop.now_ns();
    if (scanner_.scan(received(), context_.head_limits)) {
      HttpError error = scanner_.error();
      const std::size_t begin = scanner_.begin();
      const std::size_t end = scanner_.end();
      scanner_.reset();
      if (!error) {
        const std::string_view text = received().substr(begin, end - begin);
        error = parse_head(text, context_.head_limits, context_.head);
      }
      if (error) {
        refuse(error);
      } else {
        take(end);
        begin_request(context_.head);
      }
      return true;
    }
  }
  wait_for_head();
  return false;
}

void Http1Connection::begin_request(const RequestHead& head) {
  in_request_ = true;
  context_.counters.requests_begun.add(1);
  keep_alive_ = head.keep_alive;
  minor_version_ = static_cast<std::uint8_t>(head.minor_version);
  head_ = in_;
  begin_phase();
  const Route found = route(head.method, head.path);
  if (context_.shared.has_rules && !admit(head, found.kind)) [[unlikely]] {
    return reply_after_body(head);
  }
  switch (found.kind) {
    case RouteKind::kInfer:
      return begin_infer(head, found);
    case RouteKind::kServerLive:
    case RouteKind::kServerReady:
      set_health(found);
      return reply_after_body(head);
    case RouteKind::kModelReady:
      set_model_ready(found);
      return reply_after_body(head);
    case RouteKind::kPassOn:
      return begin_relay(head);
  }
}

// 1.14. What is passed on is looked at there.
bool Http1Connection::admit(const RequestHead& head, RouteKind kind) {
  const HeaderRules& rules = context_.shared.rules;
  const RequiredHeader& required =
      kind == RouteKind::kInfer ? rules.for_inference : rules.for_health;
  if (kind == RouteKind::kPassOn || !required.set()) return true;
  for (const HeaderField& field : head.all()) {
    if (required.named(field.name)) return field.value == required.value || deny(required);
  }
  return deny(required);
}

bool Http1Connection::deny(const RequiredHeader& required) {
  outgoing().set_error(403, "This API is restricted, expecting header '" + required.name + "'");
  return false;
}

void Http1Connection::begin_infer(const RequestHead& head, const Route& found) {
  if (!infer_.begin(found, head, began_ns_, outgoing())) return reply_after_body(head);
  const std::uint64_t length = head.content_length.value_or(0);
  if (length > context_.limits.max_body_bytes) return refuse_too_large(length);
  std::optional<std::uint64_t> json_bytes;
  if (length > kReceiveBytes / 2) json_bytes = infer_.json_bytes(length);
  if (const HttpError error = body_.begin(head, in_, in_begin_, json_bytes)) return refuse(error);
  if (take_expectation(head)) state_ = State::kBody;
}

// What is expected of us before the body is sent (RFC 9110 10.1.1). False: refused.
bool Http1Connection::take_expectation(const RequestHead& head) {
  if (head.expect.data() == nullptr || head.minor_version == 0) return true;
  if (!equals_ignoring_case(head.expect, "100-continue")) {
    const std::string text = "Unsupported expectation '" + std::string(head.expect) + "'";
    refuse({417, text});
    return false;
  }
  if (!head.has_body() || in_begin_ < in_end_) return true;  // it is on its way
  if (send_continue()) return true;
  context_.loop.close(*this);
  return false;
}

// The reply is set. A small body is read first, so that the connection can be used on.
void Http1Connection::reply_after_body(const RequestHead& head) {
  if (!head.has_body()) return reply();
  const bool small = !head.chunked && *head.content_length <= kMostReceiveBytes;
  if (!small || head.expect.data() != nullptr) {
    keep_alive_ = false;
    unread_input_ = true;
    return reply();
  }
  body_.begin_dropping(head);
  state_ = State::kBody;
}

void Http1Connection::set_health(const Route& found) {
  const LiveState& state = context_.shared.state;
  if (state.exiting) {
    return outgoing().set_error(503, "Server exiting");
  }
  const bool healthy = found.kind == RouteKind::kServerLive || state.ready;
  outgoing().set_empty(healthy ? 200 : 400);
}

// H-4, H-24.
void Http1Connection::set_model_ready(const Route& found) {
  const LiveState& state = context_.shared.state;
  const auto version = parse_version(found.version);
  if (!version.ok()) return outgoing().set_error(version.status());
  if (state.exiting || !state.started) {
    return outgoing().set_error(503, "Server not ready");
  }
  const auto model = context_.engine.find(found.model, version.value());
  if (model.ok() && model.value()->health().ok()) return outgoing().set_empty(200);
  if (model.ok() || model.status().code() == Code::kUnavailable) {
    return outgoing().set_error(400, "Model version not ready");
  }
  outgoing().set_error(model.status());
}

bool Http1Connection::take_body() {
  std::string_view view = received();
  const std::size_t before = view.size();
  const HttpError error = body_.take(view);
  take(before - view.size());
  if (error) {
    error.status == 413 ? refuse_too_large(body_.size_bytes()) : refuse(error);
    return true;
  }
  if (!body_.done()) {
    if (end_of_input_) {  // sent ahead, and cut
      context_.loop.close(*this);
      return false;
    }
    set_rate_timer(context_.limits.body_timeout_ns, context_.limits.header_timeout_ns);
    return false;
  }
  context_.loop.set_timer(*this, kNoDeadline);
  if (reply_ && reply_->is_set()) {
    reply();
  } else {
    state_ = State::kInfer;
    follow(infer_.run(body_.body(), body_.owner(), outgoing()));
  }
  return true;
}

void Http1Connection::follow(InferExchange::Next next) {
  switch (next) {
    case InferExchange::Next::kReply:
      return reply();
    case InferExchange::Next::kWait:
      return context_.loop.pin(*this);
    case InferExchange::Next::kTurn:
      return context_.loop.defer(*this);
  }
}

}  // namespace penstock::door
