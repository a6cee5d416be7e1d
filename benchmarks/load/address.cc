// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace penstock::load {

Address::Address(const Options& options) {
  if (!options.unix_path.empty()) {
    auto& address = reinterpret_cast<sockaddr_un&>(storage_);
    if (options.unix_path.size() >= sizeof address.sun_path) {
      throw std::runtime_error("--unix: the path is too long: " + options.unix_path);
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, options.unix_path.c_str(), options.unix_path.size() + 1);
    size_ = sizeof address;
    authority_ = "localhost";
    return;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error("--url: " + options.host + ": " + gai_strerror(error));
  std::memcpy(&storage_, found->ai_addr, found->ai_addrlen);
  size_ = found->ai_addrlen;
  freeaddrinfo(found);
  const bool literal_v6 = options.host.find(':') != std::string::npos;
  authority_ = (literal_v6 ? "[" + options.host + "]" : options.host) + ":" + options.port;
}

int Address::open_socket() const {
  const int fd = ::socket(storage_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  if (storage_.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* address = reinterpret_cast<const sockaddr*>(&storage_);
  if (::connect(fd, address, size_) == 0 || errno == EINPROGRESS) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

}  // namespace penstock::load
