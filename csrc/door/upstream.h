// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Upstream, UpstreamPool: connections to the server that answers what is not answered here.
//
// It listens on a Unix socket of the same process, speaks HTTP/1.1, and never closes an idle
// connection by itself, so that a pooled one can be trusted. Thread safety: the loop's thread.
// Ownership: the loop owns the connections; the pool knows the idle ones. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "door/event_loop.h"

namespace penstock::door {

class Upstream;

// Who uses an upstream connection at the moment.
class UpstreamUser {
 public:
  virtual void on_upstream(Events events) = 0;
  // The connection is gone; the pointer to it is no longer good.
  virtual void on_upstream_closed() = 0;

 protected:
  ~UpstreamUser() = default;
};

class UpstreamPool {
 public:
  UpstreamPool(EventLoop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  // An idle or a new connection, nullptr when there cannot be one.
  [[nodiscard]] Upstream* take(UpstreamUser& user);
  // Kept for the next user if `reusable` and there are not enough idle ones already.
  void give_back(Upstream& upstream, bool reusable);
  [[nodiscard]] bool enabled() const { return !path_.empty(); }

 private:
  friend class Upstream;
  static constexpr std::size_t kIdle = 16;
  static constexpr std::int64_t kIdleNs = 1'000'000'000;
  [[nodiscard]] int connect() const;

  EventLoop& loop_;
  const std::string path_;
  std::vector<Upstream*> idle_;
};

class Upstream final : public Handler {
 public:
  Upstream(int fd, UpstreamPool& pool, UpstreamUser& user)
      : Handler(fd), pool_(pool), user_(&user) {}
  void on_events(Events events) override;
  void on_timer() override;
  void on_close() override;

 private:
  friend class UpstreamPool;
  UpstreamPool& pool_;
  UpstreamUser* user_;
};

}  // namespace penstock::door
