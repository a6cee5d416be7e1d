// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace penstock::door {
namespace {

// Few at a time: other loops, and the connections of this one, get their turn.
constexpr int kAcceptsPerRound = 16;
constexpr std::int64_t kPauseNs = 100'000'000;

}  // namespace

void set_no_delay(int fd) {
  const int on = 1;
  // Fails for Unix sockets, which do not delay anyway.
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Acceptor::Acceptor(int fd, EventLoop& loop, ConnectionSlots& slots, LoopCounters& counters,
                   std::string refusal, Factory factory)
    : Handler(fd),
      loop_(loop),
      slots_(slots),
      counters_(counters),
      refusal_(std::move(refusal)),
      factory_(std::move(factory)) {
  open_reserve();
}

Acceptor::~Acceptor() {
  if (reserve_ >= 0) ::close(reserve_);
}

void Acceptor::open_reserve() { reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC); }

void Acceptor::on_events(Events events) {
  if (!events.readable) return;
  for (int i = 0; i < kAcceptsPerRound && accept_one(); ++i) {
  }
}

void Acceptor::on_timer() {
  if (reserve_ < 0) open_reserve();
  loop_.watch(*this, true, false);
}

bool Acceptor::accept_one() {
  const int accepted = accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) {
    if (errno == EMFILE || errno == ENFILE) return out_of_descriptors();
    if (errno == ENOBUFS || errno == ENOMEM) {
      loop_.watch(*this, false, false);
      loop_.set_timer(*this, loop_.now_ns() + kPauseNs);
    }
    // The client may have left already; EAGAIN ends the round.
    return errno == ECONNABORTED || errno == EINTR;
  }
  if (!slots_.try_take()) {
    refuse(accepted);
    return true;
  }
  set_no_delay(accepted);
  counters_.connections_opened.add(1);
  if (!loop_.add(factory_(accepted))) {
    counters_.connections_closed.add(1);
    slots_.give_back();
  }
  return true;
}

bool Acceptor::out_of_descriptors() {
  if (reserve_ >= 0) {
    ::close(std::exchange(reserve_, -1));
    const int accepted = accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) refuse(accepted);
    open_reserve();
    if (accepted >= 0 && reserve_ >= 0) return true;
  }
  loop_.watch(*this, false, false);
  loop_.set_timer(*this, loop_.now_ns() + kPauseNs);
  return false;
}

void Acceptor::refuse(int fd) {
  counters_.refused.add(1);
  (void)send(fd, refusal_.data(), refusal_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(fd, SHUT_WR);
  // What has come is read, so that closing does not reset the connection under the refusal.
  char dropped[16384];
  while (recv(fd, dropped, sizeof dropped, MSG_DONTWAIT) > 0) {
  }
  ::close(fd);
}

}  // namespace penstock::door
