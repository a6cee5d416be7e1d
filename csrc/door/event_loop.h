// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// EventLoop: one thread, its epoll, its connections, and the completions of the requests they sent.
//
// A connection is a Handler that the loop owns; everything that happens to it happens on the loop's
// thread, so a connection needs no lock. Responses of the engine arrive through the loop's
// CompletionRing in bursts, one wake a burst. Thread safety: post() and stop() from any thread, the
// rest from the loop's thread (or before run()). Ownership: the loop owns its handlers, and a
// handler its descriptor. run() blocks; nothing that it calls may.
//
// A connection may die while its requests are in the core, which holds pointers into it (Ticket).
// So it cancels them in on_close(), and the pin that each of them holds keeps the object, without
// its descriptor, until the last response has come back to be released.
#pragma once

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "penstock/clock.h"
#include "penstock/completion.h"
#include "penstock/request.h"
#include "sync/late_waker.h"
#include "sync/signal.h"

namespace penstock::door {

// What epoll reports for one descriptor.
struct Events {
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // error, or the peer is gone in both directions
};

// One descriptor with a life of its own: a connection, an acceptor, an upstream.
class Handler {
 public:
  explicit Handler(int fd) : fd_(fd) {}  // takes the descriptor over
  virtual ~Handler();
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

  virtual void on_events(Events events) = 0;
  // The time asked for by set_timer() has come; the timer is off until it is set again.
  virtual void on_timer() {}
  // The turn asked for by defer().
  virtual void on_turn() {}
  // A response whose request's tag is a Ticket of this handler; also after on_close().
  virtual void on_response(Response&) {}
  // Once, when the loop lets go of the handler, by close() or because it ends.
  virtual void on_close() {}

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  friend class EventLoop;
  int fd_;
  std::uint32_t interest_ = 0;  // what epoll watches
  std::uint32_t pins_ = 0;
  std::size_t index_ = 0;  // in EventLoop::handlers_
  std::int64_t due_ns_ = kNoDeadline;
  bool closed_ = false;
  bool deferred_ = false;
  bool shared_ = false;
};

// What Request::tag points at: who sent the request. A handler that pinned itself is still there.
struct Ticket {
  Handler* handler = nullptr;
};

class EventLoop {
 public:
  explicit EventLoop(const Clock& clock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Serves until stop(), then until the last pin is gone.
  void run();
  // Closes all handlers; run() returns when no request of theirs is in the core any more.
  void stop();
  // Runs `task` on the loop's thread, soon.
  void post(std::function<void()> task);

  // Takes the handler over and watches it for reading. `shared`: other loops listen on the same
  // socket, wake only some of them. False: the system refuses; the handler is gone.
  bool add(std::unique_ptr<Handler> handler, bool shared = false);
  // Watches for reading (off: back-pressure) and for writing; an unchanged wish costs nothing.
  void watch(Handler& handler, bool reading, bool writing);
  // Closes the descriptor now; the object goes at the end of the round in which no pin is left.
  void close(Handler& handler);
  // While pinned the object lives, closed or not. One pin for each request in the core.
  void pin(Handler& handler) { ++handler.pins_; }
  void unpin(Handler& handler);
  // Calls on_timer() at or within a tenth of a second after `when_ns`; kNoDeadline: never.
  // Setting it later and later costs a store.
  void set_timer(Handler& handler, std::int64_t when_ns);
  // Calls on_turn() once, at the end of the round: to flush what the round has written, or to go on
  // with work that is done in slices. From within on_turn(): in the next round.
  void defer(Handler& handler);
  // Calls `task` at the end of every round: what was put off in the round is done for all at once.
  void at_round_end(std::function<void()> task) { round_end_.push_back(std::move(task)); }

  // A handler has received or sent so much at once: a loop that moves large bodies does not go
  // first.
  void moved(std::size_t bytes) { most_moved_ = std::max(most_moved_, bytes); }

  [[nodiscard]] CompletionRing& completions() { return completions_; }
  // The time at the start of this round: one clock read a round.
  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }

 private:
  static constexpr int kEventsPerRound = 256;

  int wait();
  [[nodiscard]] int sleep_ms() const;
  void dispatch(int count);
  void deliver(CompletionNode* node);
  void run_posted();
  void run_round(int count);
  static void let_others_go();
  void run_timers();
  void run_turns();
  void close_all();

  const Clock& clock_;
  int epoll_fd_;
  const std::shared_ptr<LateWaker> waker_ = std::make_shared<LateWaker>();
  CompletionRing completions_{*waker_};
  std::int64_t now_ns_;
  std::int64_t next_sweep_ns_ = kNoDeadline;
  std::int64_t last_sweep_ns_ = 0;
  std::vector<std::unique_ptr<Handler>> handlers_;
  std::vector<std::unique_ptr<Handler>> graveyard_;
  std::size_t pinned_dead_ = 0;
  std::vector<Handler*> turns_;
  std::vector<Handler*> running_turns_;
  std::vector<std::function<void()>> round_end_;
  std::array<epoll_event, kEventsPerRound> events_;
  std::size_t most_moved_ = 0;  // at once, in this round
  bool stopping_ = false;
  Signal has_posted_;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace penstock::door
