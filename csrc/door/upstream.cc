// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/upstream.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace penstock::door {

int UpstreamPool::connect() const {
  sockaddr_un address{};
  if (path_.empty() || path_.size() >= sizeof address.sun_path) return -1;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  // A Unix socket connects at once, or says EAGAIN when too many wait to be accepted.
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

Upstream* UpstreamPool::take(UpstreamUser& user) {
  if (!idle_.empty()) {
    Upstream* upstream = idle_.back();
    idle_.pop_back();
    loop_.set_timer(*upstream, kNoDeadline);
    upstream->user_ = &user;
    return upstream;
  }
  const int fd = connect();
  if (fd < 0) return nullptr;
  auto made = std::make_unique<Upstream>(fd, *this, user);
  Upstream* upstream = made.get();
  return loop_.add(std::move(made)) ? upstream : nullptr;
}

void UpstreamPool::give_back(Upstream& upstream, bool reusable) {
  upstream.user_ = nullptr;
  if (!reusable || idle_.size() >= kIdle) return loop_.close(upstream);
  loop_.watch(upstream, true, false);
  loop_.set_timer(upstream, loop_.now_ns() + kIdleNs);
  idle_.push_back(&upstream);
}

void Upstream::on_events(Events events) {
  // An idle connection has nothing to say but that it ends.
  user_ != nullptr ? user_->on_upstream(events) : pool_.loop_.close(*this);
}

void Upstream::on_timer() { pool_.loop_.close(*this); }

void Upstream::on_close() {
  if (UpstreamUser* user = std::exchange(user_, nullptr)) {
    user->on_upstream_closed();
  } else {
    std::erase(pool_.idle_, this);
  }
}

}  // namespace penstock::door
