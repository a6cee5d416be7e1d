// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Connection: a connection to the server, its socket and the requests in flight on it.
// LoopState: what the connections of a thread share.
//
// A protocol derives from Connection: it says what to write and reads what comes. One recv and one
// send a round, whatever the number of replies and requests in them.
//
// Thread safety: none, one thread's. Ownership: a connection owns its socket; the state outlives
// it. Nothing blocks; what cannot be sent waits for the socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "load/address.h"
#include "load/arrivals.h"
#include "load/options.h"
#include "load/tally.h"

namespace penstock::load {

std::int64_t now_ns();

class Connection;

struct LoopState {
  LoopState(const Options& chosen, const Address& server, unsigned thread)
      : options(chosen), address(server), pacer(chosen, thread), random(thread + 1) {}

  // A request that was due then has ended.
  void ended(std::int64_t due_ns, std::int64_t now, Outcome outcome, std::string_view why);

  const Options& options;
  const Address& address;
  Pacer pacer;
  std::minstd_rand random;  // of what is sent, and what is cancelled
  Tally tally;
  int epoll_fd = -1;
  std::uint64_t in_flight = 0;
  bool running = false;          // requests may be sent
  std::deque<Connection*> idle;  // with free streams, in an open loop; longest idle first
  std::vector<char> received = std::vector<char>(256 * 1024);
};

class Connection {
 public:
  explicit Connection(LoopState& state) : state_(state) {}
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect. False: that failed at once, and counts as a failure.
  bool connect(std::int64_t now);
  [[nodiscard]] bool connected() const { return phase_ == Phase::kOpen; }
  // What epoll says of its socket.
  void on_event(std::uint32_t events);
  // Starts all requests that may start now, and sends.
  void fill(std::int64_t now);
  // Starts one, if one is due and a stream is free.
  void start_one(std::int64_t now);
  // Gives up requests that were due before `limit`; connects anew when that failed before.
  void sweep(std::int64_t now, std::int64_t limit);
  // Why it could not be connected.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  bool in_idle_list = false;

 protected:
  // A new connection is there: forget the old.
  virtual void opened() = 0;
  // Puts one request among what is to be sent.
  virtual void submit(std::int64_t due_ns) = 0;
  // Looks at what came. False: problem_ says what is wrong with it.
  virtual bool receive(std::string_view bytes, std::int64_t now) = 0;
  // What is to be sent next: at most `most` spans; then how much of it went.
  virtual std::size_t gather(iovec* spans, std::size_t most) = 0;
  virtual void sent(std::size_t bytes) = 0;
  // Takes a new request now.
  [[nodiscard]] virtual bool has_free_stream() const = 0;
  // kOk while the connection serves; else what its end is for those still in flight.
  [[nodiscard]] virtual Outcome end_seen() const = 0;
  // Ends all in flight with this outcome.
  virtual void abandon(Outcome outcome, std::string_view why, std::int64_t now) = 0;
  // Ends those that were due before the limit. False: only a new connection helps.
  virtual bool expire(std::int64_t limit, std::int64_t now) = 0;

  LoopState& state_;
  std::string problem_;

 private:
  enum class Phase { kClosed, kConnecting, kOpen };

  void begin(std::int64_t due_ns, std::int64_t now);
  void on_connected();
  void on_readable();
  bool flush();
  bool want_write(bool wanted);
  void fail(Outcome outcome, std::string_view why, std::int64_t now);
  void connect_failed(int error, std::int64_t now);
  void close();
  void offer();

  int fd_ = -1;
  Phase phase_ = Phase::kClosed;
  std::int64_t connecting_since_ns_ = 0;
  bool writing_ = false;  // epoll watches for room to write
};

}  // namespace penstock::load
