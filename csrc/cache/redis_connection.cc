// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/redis_connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "penstock/clock.h"

namespace penstock {
namespace {

constexpr std::int64_t kMsNs = 1'000'000;

std::int64_t now_ns() { return RealClock().now_ns(); }

std::string error_text(int number) { return std::generic_category().message(number); }

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Status resolve(const RedisOptions& options, Addresses& found) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(options.port);
  const int error = getaddrinfo(options.host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) return unavailable(gai_strerror(error));
  found.reset(list);
  return {};
}

}  // namespace

Status RedisConnection::fail(std::string why) {
  close();
  return unavailable(std::move(why));
}

void RedisConnection::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  reader_.clear();
}

Status RedisConnection::open(const RedisOptions& options) {
  close();
  const std::int64_t deadline_ns = now_ns() + options.connect_timeout_ns;
  PENSTOCK_RETURN_IF_ERROR(connect(options, deadline_ns));
  return introduce(options, deadline_ns);
}

Status RedisConnection::connect(const RedisOptions& options, std::int64_t deadline_ns) {
  Addresses addresses;
  PENSTOCK_RETURN_IF_ERROR(resolve(options, addresses));
  Status failed = unavailable("the host has no address");
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    fd_ = ::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
      failed = fail(error_text(errno));
      continue;
    }
    int error = ::connect(fd_, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      if (failed = wait(POLLOUT, deadline_ns); !failed.ok()) continue;
      socklen_t size = sizeof error;
      getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) {
      const int on = 1;
      setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return {};
    }
    failed = fail(error_text(error));
  }
  return failed;
}

Status RedisConnection::introduce(const RedisOptions& options, std::int64_t deadline_ns) {
  RedisReply reply;
  if (!options.user.empty()) {
    PENSTOCK_RETURN_IF_ERROR(call({"AUTH", options.user, options.password}, reply, deadline_ns));
  } else if (!options.password.empty()) {
    PENSTOCK_RETURN_IF_ERROR(call({"AUTH", options.password}, reply, deadline_ns));
  }
  if (options.db == 0) return {};
  return call({"SELECT", std::to_string(options.db)}, reply, deadline_ns);
}

Status RedisConnection::wait(short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ns = deadline_ns - now_ns();
    if (left_ns <= 0) return fail("it does not answer in time");
    pollfd watched{fd_, events, 0};
    const auto left_ms = static_cast<int>(std::min<std::int64_t>(left_ns / kMsNs + 1, INT32_MAX));
    const int ready = ::poll(&watched, 1, left_ms);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail(error_text(errno));
  }
}

Status RedisConnection::send(std::string_view bytes, std::int64_t deadline_ns) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      PENSTOCK_RETURN_IF_ERROR(wait(POLLOUT, deadline_ns));
    } else if (errno != EINTR) {
      return fail(error_text(errno));
    }
  }
  return {};
}

Status RedisConnection::receive(RedisReply& reply, std::int64_t deadline_ns) {
  for (;;) {
    switch (reader_.next(reply)) {
      case RedisReader::Next::kReply:
        return {};
      case RedisReader::Next::kBroken:
        return fail("it does not speak Redis' protocol");
      case RedisReader::Next::kMore:  // also from one that sends a little at a time
        if (now_ns() >= deadline_ns) return fail("it does not answer in time");
        break;
    }
    const std::span<char> space = reader_.space();
    const ssize_t got = ::recv(fd_, space.data(), space.size(), 0);
    if (got > 0) {
      reader_.received(static_cast<std::size_t>(got));
    } else if (got == 0) {
      return fail("it has closed the connection");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      PENSTOCK_RETURN_IF_ERROR(wait(POLLIN, deadline_ns));
    } else if (errno != EINTR) {
      return fail(error_text(errno));
    }
  }
}

Status RedisConnection::call(std::initializer_list<std::string_view> words, RedisReply& reply,
                             std::int64_t deadline_ns) {
  std::string command;
  append_redis_command(command, words);
  PENSTOCK_RETURN_IF_ERROR(send(command, deadline_ns));
  PENSTOCK_RETURN_IF_ERROR(receive(reply, deadline_ns));
  if (reply.kind != RedisReply::Kind::kError) return {};
  return fail(std::string(reply.bytes.substr(0, 200)));
}

}  // namespace penstock
