// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace penstock::door {
namespace {

// So that a last GOAWAY is read before the unread rest of a flood resets the connection.
constexpr std::int64_t kLingerNs = 250'000'000;

}  // namespace

bool write_output(int fd, H2Output& output, std::uint64_t& bytes) {
  std::array<iovec, 128> pieces;
  while (!output.empty()) {
    const int count = output.gather(pieces);
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = static_cast<std::size_t>(count);
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    const ssize_t sent = count == 1 ? ::send(fd, pieces[0].iov_base, pieces[0].iov_len, flags)
                                    : ::sendmsg(fd, &message, flags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    bytes += static_cast<std::uint64_t>(sent);
    output.advance(static_cast<std::size_t>(sent));
  }
  return true;
}

bool read_input(int fd, std::span<iovec> places, std::size_t& received) {
  msghdr message{};
  message.msg_iov = places.data();
  message.msg_iovlen = places.size();
  const ssize_t got = places.size() == 1
                          ? ::recv(fd, places[0].iov_base, places[0].iov_len, MSG_DONTWAIT)
                          : ::recvmsg(fd, &message, MSG_DONTWAIT);
  received = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  if (got > 0) return true;
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

GrpcSocket::GrpcSocket(int fd, GrpcContext& context, ConnectionSlots& slots)
    : Handler(fd),
      context_(context),
      slots_(slots),
      connection_(context, *this),
      sent_ns_(context.loop.now_ns()) {
  context_.sockets.push_back(this);
  set_timer();
}

GrpcSocket::~GrpcSocket() { std::erase(context_.sockets, this); }

void GrpcSocket::on_events(Events events) {
  if (events.readable) {
    if (!receive()) return context_.loop.close(*this);
  } else if (events.hung_up) {
    return context_.loop.close(*this);
  }
  context_.loop.defer(*this);
}

// Reads once. False: the peer is gone.
bool GrpcSocket::receive() {
  const H2Expected expected = ending_ ? H2Expected{} : connection_.expected();
  const std::span<iovec> places = context_.landing.plan(expected);
  std::size_t received = 0;
  if (!read_input(fd(), places, received)) return false;
  context_.counters.bytes_received.add(received);
  context_.loop.moved(received);
  for (const ByteSpan piece : context_.landing.land(received)) {
    if (!ending_ && !connection_.receive(piece)) ending_ = true;
  }
  return true;
}

void GrpcSocket::on_turn() {
  const bool more = connection_.work();
  flush();
  if (more) context_.loop.defer(*this);
}

void GrpcSocket::flush() {
  if (closed()) return;
  if (linger_ns_ != 0) return set_timer();
  std::uint64_t sent = 0;
  do {
    connection_.send(output_);
    if (output_.empty()) break;
    if (!write_output(fd(), output_, sent)) return context_.loop.close(*this);
  } while (output_.empty() && connection_.wants_send());
  context_.counters.bytes_sent.add(sent);
  context_.loop.moved(sent);
  if (sent > 0 || output_.empty()) sent_ns_ = context_.loop.now_ns();
  context_.loop.watch(*this, true, !output_.empty());
  if (output_.empty() && (ending_ || connection_.over())) finish();
  set_timer();
}

void GrpcSocket::finish() {
  ::shutdown(fd(), SHUT_WR);
  linger_ns_ = context_.loop.now_ns() + kLingerNs;
  ending_ = true;
  connection_.abandon();
}

void GrpcSocket::set_timer() {
  std::int64_t when_ns = linger_ns_ != 0 ? linger_ns_ : connection_.next_tick();
  if (!output_.empty()) {
    when_ns = std::min(when_ns, sent_ns_ + context_.options.limits.send_timeout_ns);
  }
  context_.loop.set_timer(*this, when_ns);
}

void GrpcSocket::on_timer() {
  const std::int64_t now_ns = context_.loop.now_ns();
  const bool stalled =
      !output_.empty() && now_ns >= sent_ns_ + context_.options.limits.send_timeout_ns;
  if (stalled || (linger_ns_ != 0 && now_ns >= linger_ns_)) return context_.loop.close(*this);
  if (linger_ns_ == 0 && now_ns >= connection_.next_tick() && !connection_.tick()) {
    return context_.loop.close(*this);
  }
  context_.loop.defer(*this);  // what the tick has to say; sets the next timer
}

void GrpcSocket::on_response(Response& response) {
  auto* ticket = static_cast<Ticket*>(response.request->tag);
  connection_.answer(*static_cast<Inference*>(ticket), response);
}

void GrpcSocket::end() {
  ending_ = true;
  connection_.end();
}

void GrpcSocket::on_close() {
  connection_.abandon();
  context_.counters.connections_closed.add(1);
  slots_.give_back();
  if (context_.state.refusing) context_.ended.notify();
}

}  // namespace penstock::door
