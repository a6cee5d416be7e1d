// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace penstock::load {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void LoopState::ended(std::int64_t due_ns, std::int64_t now, Outcome outcome,
                      std::string_view why) {
  if (due_ns < pacer.measured_from_ns()) return;
  tally.count(outcome, why);
  tally.last_ns = std::max(tally.last_ns, now);
  if (outcome == Outcome::kOk) tally.latency.record(now - due_ns);
  if (outcome == Outcome::kStatus) tally.refusal.record(now - due_ns);
}

Connection::~Connection() { close(); }

// ---------------------------------------------------------------- connecting

bool Connection::connect(std::int64_t now) {
  fd_ = state_.address.open_socket();
  epoll_event event{};
  event.events = EPOLLOUT;  // connected, or not
  event.data.ptr = this;
  if (fd_ < 0 || epoll_ctl(state_.epoll_fd, EPOLL_CTL_ADD, fd_, &event) != 0) {
    connect_failed(errno, now);
    return false;
  }
  writing_ = true;
  phase_ = Phase::kConnecting;
  connecting_since_ns_ = now;
  return true;
}

void Connection::on_connected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    connect_failed(error, now_ns());
    return;
  }
  phase_ = Phase::kOpen;
  opened();
  want_write(false);
  if (state_.running) fill(now_ns());
}

// Costs the run a request, so that one with a server that is gone comes to its end.
void Connection::connect_failed(int error, std::int64_t now) {
  problem_ = std::strerror(error);
  close();
  if (!state_.running) return;
  if (const auto due = state_.pacer.take(now)) {
    state_.ended(*due, now, Outcome::kConnect, problem_);
  }
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  phase_ = Phase::kClosed;
}

void Connection::fail(Outcome outcome, std::string_view why, std::int64_t now) {
  close();
  abandon(outcome, why, now);
  if (!state_.pacer.over(now)) connect(now);
}

// ---------------------------------------------------------------- requests

void Connection::fill(std::int64_t now) {
  if (phase_ != Phase::kOpen) return;
  while (has_free_stream()) {
    const auto due = state_.pacer.take(now);
    if (!due) break;
    begin(*due, now);
  }
  if (flush()) offer();
}

void Connection::start_one(std::int64_t now) {
  if (phase_ != Phase::kOpen || !has_free_stream()) return;
  if (const auto due = state_.pacer.take(now)) begin(*due, now);
  if (flush()) offer();
}

void Connection::begin(std::int64_t due_ns, std::int64_t now) {
  if (due_ns >= state_.pacer.measured_from_ns()) state_.tally.delay.record(now - due_ns);
  ++state_.in_flight;
  submit(due_ns);
}

// Arrivals look for a connection; in a closed loop every reply brings the next request itself.
void Connection::offer() {
  if (in_idle_list || state_.options.rate_per_s == 0 || !has_free_stream()) return;
  in_idle_list = true;
  state_.idle.push_back(this);
}

void Connection::sweep(std::int64_t now, std::int64_t limit) {
  if (phase_ == Phase::kClosed) {
    if (!state_.pacer.over(now)) connect(now);
    return;
  }
  if (phase_ == Phase::kConnecting) {
    if (connecting_since_ns_ < limit) connect_failed(ETIMEDOUT, now);
    return;
  }
  if (!expire(limit, now)) {
    fail(Outcome::kTimeout, "no reply in time", now);
    return;
  }
  if (flush()) fill(now);  // what was given up leaves its stream free once that is sent
}

// ---------------------------------------------------------------- the socket

void Connection::on_event(std::uint32_t events) {
  if (phase_ == Phase::kConnecting) {
    on_connected();
    return;
  }
  if (phase_ == Phase::kOpen && (events & EPOLLOUT) != 0) flush();
  if (phase_ == Phase::kOpen && (events & ~EPOLLOUT) != 0) on_readable();
}

void Connection::on_readable() {
  const ssize_t count = ::recv(fd_, state_.received.data(), state_.received.size(), 0);
  const std::int64_t now = now_ns();
  if (count <= 0) {
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    fail(Outcome::kClosed, count == 0 ? "the server closed the connection" : std::strerror(errno),
         now);
    return;
  }
  state_.tally.bytes_received += static_cast<std::uint64_t>(count);
  if (!receive({state_.received.data(), static_cast<std::size_t>(count)}, now)) {
    fail(Outcome::kMalformed, problem_, now);
    return;
  }
  fill(now);
  if (phase_ != Phase::kOpen) return;
  const Outcome end = end_seen();
  if (end != Outcome::kOk) fail(end, "the connection ended", now);
}

// False: the connection is lost.
bool Connection::flush() {
  std::array<iovec, 64> spans;
  while (const std::size_t count = gather(spans.data(), spans.size())) {
    std::size_t wanted = 0;
    for (std::size_t i = 0; i < count; ++i) wanted += spans[i].iov_len;
    msghdr message{};
    message.msg_iov = spans.data();
    message.msg_iovlen = count;
    const ssize_t done = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (done < 0) {
      if (errno == EAGAIN || errno == EINTR) return want_write(true);
      fail(Outcome::kClosed, std::strerror(errno), now_ns());
      return false;
    }
    state_.tally.bytes_sent += static_cast<std::uint64_t>(done);
    sent(static_cast<std::size_t>(done));
    if (static_cast<std::size_t>(done) < wanted) return want_write(true);
  }
  return want_write(false);
}

bool Connection::want_write(bool wanted) {
  if (wanted == writing_) return true;
  writing_ = wanted;
  epoll_event event{};
  event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = this;
  if (epoll_ctl(state_.epoll_fd, EPOLL_CTL_MOD, fd_, &event) == 0) return true;
  fail(Outcome::kClosed, std::strerror(errno), now_ns());
  return false;
}

}  // namespace penstock::load
