// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcSocket: a client's socket: what it receives goes to its GrpcConnection, what that has to say
// is sent once a round, in one gather-write.
//
// Thread safety: the loop's thread. Ownership: the loop's; it stays, closed, until the core has
// answered its requests. Nothing blocks.
#pragma once

#include <cstdint>
#include <span>

#include "door/event_loop.h"
#include "door/grpc_connection.h"
#include "door/h2_output.h"

namespace penstock::door {

// Writes `output` as far as the socket takes it. False: the peer is gone. `bytes` grows.
[[nodiscard]] bool write_output(int fd, H2Output& output, std::uint64_t& bytes);
// Reads once. 0 bytes and true: nothing there.
[[nodiscard]] bool read_input(int fd, std::span<iovec> places, std::size_t& received);

class GrpcSocket final : public Handler {
 public:
  GrpcSocket(int fd, GrpcContext& context, ConnectionSlots& slots);
  ~GrpcSocket() override;

  void on_events(Events events) override;
  void on_turn() override;
  void on_timer() override;
  void on_response(Response& response) override;
  void on_close() override;
  // No new calls; it closes when the open ones have ended.
  void drain() { connection_.drain(); }
  // Sends what is ready and closes.
  void end();

 private:
  [[nodiscard]] bool receive();
  void flush();
  void finish();
  void set_timer();

  GrpcContext& context_;
  ConnectionSlots& slots_;
  GrpcConnection connection_;
  H2Output output_;
  std::int64_t sent_ns_ = 0;    // when the socket took bytes last
  std::int64_t linger_ns_ = 0;  // not 0: everything is said, wait for the peer until then
  bool ending_ = false;         // close when the output is flushed
};

}  // namespace penstock::door
