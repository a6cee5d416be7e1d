// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// EventLoop: one thread, its epoll, its connections, and the completions of the requests they sent.
//
// A connection is a Handler that the loop owns; everything that happens to it happens on the loop's
// thread, so a connection needs no lock. Responses of the engine arrive through the loop's
// CompletionRing in bursts, one wake a burst. Thread safety: post() and stop() from any thread, the
// rest from the loop's thread only. Ownership: the loop owns its handlers; a handler ends itself by
// close(). run() blocks; nothing that it calls may.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "penstock/clock.h"
#include "penstock/completion.h"
#include "penstock/request.h"

namespace penstock::door {

class EventLoop;

// What epoll reports for one descriptor.
struct Events {
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // error, or the peer is gone in both directions
};

// One descriptor with a life of its own: a connection, a listener, an upstream.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void on_events(Events events) = 0;
  // The time asked for by EventLoop::set_timer has come.
  virtual void on_timer() {}
  // A response whose request carries this handler in its Ticket.
  virtual void on_response(Response&) {}
};

// What Request::tag points at: who sent the request. It lives in the handler's own request state;
// when the handler dies first, `handler` is null and the loop only releases the request.
struct Ticket {
  Handler* handler = nullptr;
};

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Serves until stop(). `on_orphan` gets responses whose handler is gone (to release them).
  void run();
  void stop();
  // Runs `task` on the loop's thread, soon.
  void post(std::function<void()> task);

  // Takes the handler over and watches `fd` (not owned by the loop) for reading.
  void add(int fd, std::unique_ptr<Handler> handler);
  // Watches for writing too, or no longer; reading likewise (off: back-pressure).
  void watch(int fd, bool reading, bool writing);
  // The handler is destroyed at the end of the current round; the fd is the handler's to close.
  void remove(int fd);
  // Calls on_timer() of the handler of `fd` at or soon after `when_ns`; kNoDeadline: not at all.
  void set_timer(int fd, std::int64_t when_ns);

  [[nodiscard]] CompletionRing& completions();
  // The time at the start of this round: one clock read a round.
  [[nodiscard]] std::int64_t now_ns() const;
  // Called at the end of every round, before sleeping: flush what the round has written.
  void at_round_end(int fd);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::door
