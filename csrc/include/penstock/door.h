// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HttpDoor: the native HTTP/1.1 listener. Inference and health are answered here, everything else
// is passed on to a server on a Unix socket.
//
// Thread safety: every method from any thread. Ownership: the door owns its listening socket, its
// threads and its connections, and keeps the engine alive. drain() and stop() block; nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "penstock/engine.h"
#include "penstock/header_rules.h"
#include "penstock/status.h"

namespace penstock {

// Everything that a client can make grow or last, and what it may grow to (reliability defaults).
struct HttpDoorLimits {
  std::uint32_t max_connections = 10'000;
  std::uint64_t max_in_flight_bytes = std::uint64_t{1} << 30;  // bodies, over all connections
  std::uint64_t max_input_bytes = std::uint64_t{64} << 20;     // H-25
  std::uint64_t max_body_bytes = std::uint64_t{2} << 30;
  std::uint32_t max_target_bytes = 8 << 10;
  std::uint32_t max_fields_bytes = 32 << 10;
  std::int64_t header_timeout_ns = 10'000'000'000;  // from a head's first byte to its last
  std::int64_t body_timeout_ns = 30'000'000'000;    // without a byte of a body
  std::int64_t idle_timeout_ns = 75'000'000'000;    // between two requests
  std::int64_t send_timeout_ns = 30'000'000'000;    // without the client taking a byte
  std::uint64_t min_bytes_per_second = 1024;        // of a body, on average
};

struct HttpDoorOptions {
  int listener = -1;          // a bound, listening, non-blocking stream socket; taken over
  std::string upstream_path;  // Unix socket of the server for the rest; empty: the rest is a 404
  std::uint32_t threads = 1;
  HttpDoorLimits limits;
  HeaderRules rules{};
};

struct HttpDoorCounters {
  std::uint64_t connections_opened = 0, connections_closed = 0;
  std::uint64_t requests_begun = 0, requests_ended = 0;
  std::uint64_t inferences = 0;
  std::uint64_t passed_on = 0;
  std::uint64_t refused = 0;  // connections and requests that a bound turned away
  std::uint64_t bytes_received = 0, bytes_sent = 0;
  std::uint64_t in_flight_bytes = 0;
};

class HttpDoor {
 public:
  [[nodiscard]] static Result<std::unique_ptr<HttpDoor>> start(std::shared_ptr<Engine> engine,
                                                               HttpDoorOptions options);
  // Closes everything at once; requests that the core still holds are cancelled.
  ~HttpDoor();
  HttpDoor(const HttpDoor&) = delete;
  HttpDoor& operator=(const HttpDoor&) = delete;

  // What the health routes say, and whether inference is let in (H-2, H-3, H-24).
  void set_state(bool started, bool ready, bool exiting);
  // New connections are refused by the system; the open ones are served on.
  void stop_accepting();
  // Waits until no request is being worked on. False: the time is over.
  bool drain(std::int64_t timeout_ns);
  // Sends what is ready to be sent, for at most `timeout_ns`, and closes all connections.
  void stop(std::int64_t timeout_ns);
  [[nodiscard]] HttpDoorCounters counters() const;

 private:
  HttpDoor();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace penstock
