// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// penstock_echo PORT: the least that a server can do, for what a round trip costs by itself. One
// thread, epoll, one recv and one send a request; of HTTP/1.1 it reads where a request ends, and
// answers with that request's body. For the load generator on this machine, not for the open.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kLength = "\ncontent-length: ";
constexpr std::size_t kLargest = 64 << 20;

void require(bool good, const char* what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

struct Connection {
  explicit Connection(int socket) : fd(socket) {}
  ~Connection() { ::close(fd); }
  int fd;
  std::string received;
};

// The bytes of the first request's head and of its body; no body: that is not all there yet.
struct Request {
  std::size_t head = 0;
  std::size_t body = 0;
  [[nodiscard]] bool whole(std::size_t size) const { return head > 0 && size >= head + body; }
};

Request first_request(std::string_view bytes) {
  Request request;
  const auto end = bytes.find(kHeadEnd);
  if (end == std::string_view::npos) return request;
  request.head = end + kHeadEnd.size();
  const auto* length =
      std::search(bytes.begin(), bytes.begin() + end, kLength.begin(), kLength.end(),
                  [](char a, char b) { return std::tolower(a) == b; });
  if (length != bytes.begin() + end) {
    const std::string_view digits = bytes.substr(length - bytes.begin() + kLength.size(), 20);
    std::from_chars(digits.data(), digits.data() + digits.size(), request.body);
  }
  return request;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {  // the sockets block: with one in flight there is room
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// False: the connection is over.
bool serve(Connection& connection) {
  std::array<char, 65'536> part;
  const ssize_t count = ::recv(connection.fd, part.data(), part.size(), 0);
  if (count <= 0) return false;
  std::string& received = connection.received;
  received.append(part.data(), static_cast<std::size_t>(count));
  for (Request next = first_request(received); next.whole(received.size());
       next = first_request(received)) {
    std::string reply =
        "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(next.body) + "\r\n\r\n";
    reply.append(received, next.head, next.body);
    received.erase(0, next.head + next.body);
    if (!send_all(connection.fd, reply)) return false;
  }
  return received.size() <= kLargest;
}

int listen_on(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  require(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  require(::listen(fd, 1'024) == 0, "listen");
  return fd;
}

void watch(int epoll_fd, int fd, Connection* connection) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = connection;  // none: the listener
  require(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

[[noreturn]] void serve_for_ever(int port) {
  const int listener = listen_on(port);
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(epoll_fd, listener, nullptr);
  std::array<epoll_event, 256> events;
  while (true) {
    const int count = epoll_wait(epoll_fd, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      auto* known = static_cast<Connection*>(events[i].data.ptr);
      if (known != nullptr) {
        if (!serve(*known)) delete known;  // closing its socket takes it out of epoll
        continue;
      }
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      watch(epoll_fd, fd, new Connection(fd));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: penstock_echo PORT\n", stderr);
    return 2;
  }
  try {
    serve_for_ever(std::atoi(argv[1]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "penstock_echo: %s\n", error.what());
    return 1;
  }
}
