// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcDoor: the native gRPC listener. Inference and health are answered here, every other RPC is
// passed on, stream by stream, to a gRPC server on a Unix socket.
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

enum class GrpcCompression : std::uint8_t { kNone, kDeflate, kGzip };

// Everything that a client can make grow or last, and what it may grow to.
struct GrpcDoorLimits {
  std::uint32_t max_connections = 10'000;
  std::uint32_t max_streams = 256;                             // a connection
  std::uint64_t max_in_flight_bytes = std::uint64_t{1} << 30;  // messages, over all connections
  std::uint64_t max_message_bytes = 2147483647;                // G-24
  std::uint32_t max_header_bytes = 16 << 10;
  std::int64_t greeting_timeout_ns = 10'000'000'000;  // from the connection to its first frame
  std::int64_t body_timeout_ns = 30'000'000'000;      // without a byte of a message
  std::int64_t send_timeout_ns = 30'000'000'000;      // without the client taking a byte
  std::uint64_t min_bytes_per_second = 1024;          // of a message, on average
};

// O-40..O-46; an age of 0 is not limited.
struct GrpcKeepalive {
  std::int64_t time_ns = 7'200'000'000'000;
  std::int64_t timeout_ns = 20'000'000'000;
  bool permit_without_calls = false;
  std::int64_t min_recv_ping_interval_ns = 300'000'000'000;
  std::int32_t max_ping_strikes = 2;
  std::int64_t max_age_ns = 0;
  std::int64_t max_age_grace_ns = 0;  // 0: as long as its calls last
};

struct GrpcDoorOptions {
  int listener = -1;          // a bound, listening, non-blocking stream socket; taken over
  std::string upstream_path;  // Unix socket of the server for the rest; empty: UNIMPLEMENTED
  std::uint32_t threads = 1;
  GrpcCompression compression = GrpcCompression::kNone;  // of responses (O-39)
  GrpcDoorLimits limits;
  GrpcKeepalive keepalive;
  HeaderRules rules{};
};

struct GrpcDoorCounters {
  std::uint64_t connections_opened = 0, connections_closed = 0;
  std::uint64_t calls_begun = 0, calls_ended = 0;
  std::uint64_t inferences = 0;
  std::uint64_t passed_on = 0;
  std::uint64_t refused = 0;  // connections and calls that a bound turned away
  std::uint64_t bytes_received = 0, bytes_sent = 0;
  std::uint64_t in_flight_bytes = 0;
};

class GrpcDoor {
 public:
  [[nodiscard]] static Result<std::unique_ptr<GrpcDoor>> start(std::shared_ptr<Engine> engine,
                                                               GrpcDoorOptions options);
  // Closes everything at once; requests that the core still holds are cancelled.
  ~GrpcDoor();
  GrpcDoor(const GrpcDoor&) = delete;
  GrpcDoor& operator=(const GrpcDoor&) = delete;

  // What the health RPCs say, and whether inference is let in (G-1, G-2, H-24).
  void set_state(bool started, bool ready, bool exiting);
  // New connections and calls are refused (G-29); what runs is finished.
  void stop_accepting();
  // Waits until no call is open. False: the time is over.
  bool drain(std::int64_t timeout_ns);
  // Sends what is ready to be sent, for at most `timeout_ns`, and closes all connections.
  void stop(std::int64_t timeout_ns);
  [[nodiscard]] GrpcDoorCounters counters() const;

 private:
  GrpcDoor();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace penstock
