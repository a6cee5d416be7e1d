// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RedisOptions: a Redis server that keeps answers for this server and for others (contract 4.6).
//
// Thread safety: a value, as std::string is. Nothing here blocks.
#pragma once

#include <cstdint>
#include <string>

namespace penstock {

struct RedisOptions {
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string user;      // empty: the server's default user
  std::string password;  // empty: none is sent
  std::uint32_t db = 0;
  std::int64_t connect_timeout_ns = 1'000'000'000;
  // Until Redis has answered what it was asked at a time.
  std::int64_t socket_timeout_ns = 100'000'000;
  // The longest that a request waits to be looked up; then it is executed.
  std::int64_t wait_timeout_ns = 100'000'000;
};

// How a remote cache is doing, to be told to whoever runs the server.
struct RemoteCacheState {
  bool up = false;
  std::uint64_t changes = 0;  // how often `up` has changed; 0: nothing is known yet
  std::string text;           // where it is, and what is wrong
};

}  // namespace penstock
