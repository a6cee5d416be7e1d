// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RedisConnection: a socket to a Redis server, with a time by which everything has to be done.
//
// Thread safety: none, one thread's. Ownership: of the socket. open(), send() and receive() block,
// until their deadline at most; only the look-up of a host's name takes the time that the system
// takes. Errors are UNAVAILABLE with what is wrong, and leave the connection closed.
#pragma once

#include <cstdint>
#include <string_view>

#include "cache/redis_protocol.h"
#include "penstock/redis.h"
#include "penstock/status.h"

namespace penstock {

class RedisConnection {
 public:
  explicit RedisConnection(std::size_t max_bulk_bytes) : reader_(max_bulk_bytes) {}
  ~RedisConnection() { close(); }
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Connects, and says who we are. Deadlines are of CLOCK_MONOTONIC, as everywhere.
  [[nodiscard]] Status open(const RedisOptions& options);
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] Status send(std::string_view bytes, std::int64_t deadline_ns);
  // The next reply; it is valid until the next call.
  [[nodiscard]] Status receive(RedisReply& reply, std::int64_t deadline_ns);
  // One command and its reply, which is no error.
  [[nodiscard]] Status call(std::initializer_list<std::string_view> words, RedisReply& reply,
                            std::int64_t deadline_ns);
  void close();

 private:
  [[nodiscard]] Status connect(const RedisOptions& options, std::int64_t deadline_ns);
  [[nodiscard]] Status introduce(const RedisOptions& options, std::int64_t deadline_ns);
  [[nodiscard]] Status wait(short events, std::int64_t deadline_ns);
  [[nodiscard]] Status fail(std::string why);

  int fd_ = -1;
  RedisReader reader_;
};

}  // namespace penstock
