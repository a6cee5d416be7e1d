// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What an Http1Connection sends: its own replies, those of the upstream, and its end.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "door/http1_connection.h"

namespace penstock::door {
namespace {

constexpr std::int64_t kLingerNs = 2'000'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;

}  // namespace

// ---- passing on

void Http1Connection::begin_relay(const RequestHead& head) {
  if (!context_.upstreams.enabled()) {
    outgoing().set_error(404, "Not Found");
    return reply_after_body(head);
  }
  relay_ = std::make_unique<Relay>(context_.loop, context_.upstreams,
                                   [this] { context_.loop.defer(*this); });
  if (!relay_->begin(head)) {
    relay_.reset();
    return refuse({503, "The server is busy, try again later"});
  }
  context_.counters.passed_on.add(1);
  state_ = State::kRelay;
}

// Moves what can be moved in both directions. False: wait.
bool Http1Connection::pump() {
  std::string_view view = received();
  const std::size_t before = view.size();
  if (const HttpError error = relay_->feed(view)) {
    relay_->started() ? context_.loop.close(*this) : refuse(error);
    return true;
  }
  take(before - view.size());
  if (!send_relayed()) return true;
  if (relay_->failed()) {
    relay_->started() ? context_.loop.close(*this)
                      : refuse({503, "The request could not be answered, try again later"});
    return true;
  }
  if (relay_->output().empty() && relay_->complete() && relay_->fed()) {
    keep_alive_ = relay_->keep_alive();
    unread_input_ = !keep_alive_;
    finish_request();
    return true;
  }
  wait_for_relay();
  return false;
}

// False: the client is gone.
bool Http1Connection::send_relayed() {
  while (!relay_->output().empty()) {
    const std::string_view output = relay_->output();
    const ssize_t sent = ::send(fd(), output.data(), output.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      context_.loop.close(*this);
      return false;
    }
    context_.counters.bytes_sent.add(static_cast<std::uint64_t>(sent));
    phase_bytes_ += static_cast<std::uint64_t>(sent);
    relay_->sent(static_cast<std::size_t>(sent));
  }
  return true;
}

void Http1Connection::wait_for_relay() {
  if (end_of_input_ && relay_->wants_input()) return context_.loop.close(*this);  // cut
  const bool sending = !relay_->output().empty();
  const bool reading = !end_of_input_ && (relay_->fed() ? has_room() : relay_->wants_input());
  context_.loop.watch(*this, reading, sending);
  const HttpDoorLimits& limits = context_.limits;
  if (sending) {
    set_rate_timer(limits.send_timeout_ns, limits.send_timeout_ns);
  } else if (relay_->wants_input()) {
    set_rate_timer(limits.body_timeout_ns, limits.header_timeout_ns);
  } else {
    begin_phase();  // the upstream has its time, which is not the client's
    context_.loop.set_timer(*this, kNoDeadline);
  }
}

// ---- bytes out, and the end

Outgoing& Http1Connection::outgoing() {
  if (!reply_) reply_ = context_.replies.take();
  return *reply_;
}

// The message is not understood, or not wanted: where the next one begins is not known any more.
void Http1Connection::refuse(const HttpError& error) {
  keep_alive_ = false;
  unread_input_ = true;
  const bool busy = error.status == 503;
  if (busy || error.status == 408) context_.counters.refused.add(1);
  outgoing().clear();
  outgoing().set_error(error.status, error.text, busy ? "Retry-After: 1\r\n" : "");
  reply();
}

void Http1Connection::refuse_too_large(std::uint64_t size) {
  const std::string text = "Request body of " + std::to_string(size) +
                           " bytes exceeds the maximum allowed size of " +
                           std::to_string(context_.limits.max_body_bytes) + " bytes.";
  refuse({413, text});
}

void Http1Connection::reply() {
  if (context_.shared.state.exiting) keep_alive_ = false;
  reply_->seal(keep_alive_, minor_version_);
  state_ = State::kSending;
  begin_phase();
  send_on();
}

void Http1Connection::send_on() {
  std::uint64_t sent = 0;
  const Outgoing::Sent result = reply_->send(fd(), sent);
  context_.counters.bytes_sent.add(sent);
  context_.loop.moved(sent);
  phase_bytes_ += sent;
  switch (result) {
    case Outgoing::Sent::kAll:
      return finish_request();
    case Outgoing::Sent::kSome:
      context_.loop.watch(*this, false, true);
      return set_rate_timer(context_.limits.send_timeout_ns, context_.limits.send_timeout_ns);
    case Outgoing::Sent::kFailed:
      return context_.loop.close(*this);
  }
}

void Http1Connection::finish_request() {
  end_request();
  if (keep_alive_) {
    state_ = State::kHead;
    context_.loop.watch(*this, !end_of_input_, false);
  } else if (!end_of_input_ && (unread_input_ || in_begin_ < in_end_)) {
    linger();
  } else {
    context_.loop.close(*this);
  }
}

void Http1Connection::end_request() {
  relay_.reset();
  body_.reset();
  head_.reset();
  if (!infer_.in_core()) infer_.reset();
  context_.replies.give_back(std::move(reply_));
  began_ns_ = 0;
  if (!std::exchange(in_request_, false)) return;
  context_.counters.requests_ended.add(1);
  if (context_.shared.state.exiting) context_.on_request_ended();
}

// Closing a socket with unread bytes resets the connection, which takes the reply away from the
// client. So only our direction is closed, and the client has a while to read.
void Http1Connection::linger() {
  shutdown(fd(), SHUT_WR);
  state_ = State::kLinger;
  in_.reset();
  in_begin_ = in_end_ = 0;
  context_.loop.watch(*this, true, false);
  context_.loop.set_timer(*this, context_.loop.now_ns() + kLingerNs);
}

void Http1Connection::on_close() {
  infer_.cancel();
  end_request();
  context_.counters.connections_closed.add(1);
  context_.shared.slots.give_back();
}

// ---- time

void Http1Connection::begin_phase() {
  phase_began_ns_ = context_.loop.now_ns();
  phase_bytes_ = 0;
}

// The phase ends when nothing moves for `stall_ns`, or when, past the grace, too little has moved.
void Http1Connection::set_rate_timer(std::int64_t stall_ns, std::int64_t grace_ns) {
  std::int64_t due_ns = context_.loop.now_ns() + stall_ns;
  if (const std::uint64_t rate = context_.limits.min_bytes_per_second; rate > 0) {
    const auto earned_s = static_cast<std::int64_t>(
        std::min<std::uint64_t>(phase_bytes_ / rate, static_cast<std::uint64_t>(INT32_MAX)));
    due_ns = std::min(due_ns, phase_began_ns_ + grace_ns + earned_s * kSecondNs);
  }
  context_.loop.set_timer(*this, due_ns);
}

void Http1Connection::on_timer() {
  const bool idle = state_ == State::kHead && in_begin_ == in_end_;
  const bool uploading = state_ == State::kRelay && !relay_->started() && relay_->output().empty();
  if (!idle && (state_ == State::kHead || state_ == State::kBody || uploading)) {
    refuse({408, "Request Timeout"});
  } else {
    context_.loop.close(*this);
  }
}

}  // namespace penstock::door
