// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Worker: one thread's event loop, its connections and its share of the requests.
//
// Thread safety: none; construct, connect() and run() on one thread, and read the tally when that
// has ended. Ownership: it owns its connections and borrows what a Target holds. run() waits for
// the server, but for no single connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "load/address.h"
#include "load/connection.h"
#include "load/grpc_connection.h"
#include "load/options.h"
#include "load/tally.h"

namespace penstock::load {

// What all threads send, and where to: made once.
struct Target {
  explicit Target(const Options& chosen);

  const Options& options;
  Address address;
  std::string http;  // the request's bytes
  std::unique_ptr<GrpcRequest> grpc;
};

class Worker {
 public:
  Worker(const Target& target, unsigned thread);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Opens all connections. Throws std::runtime_error when one cannot be had in time.
  void connect();
  // Until every request has ended.
  void run(std::int64_t start_ns);
  // Of run().
  [[nodiscard]] const Tally& tally() const { return state_.tally; }

 private:
  void wait(std::int64_t until_ns);
  void start_due(std::int64_t now);
  void sweep(std::int64_t now);
  void begin_measuring();
  void finish();

  LoopState state_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::int64_t cpu_before_ns_ = 0;
};

}  // namespace penstock::load
