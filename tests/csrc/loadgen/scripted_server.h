// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ScriptedServer: a Unix socket whose every connection is served by a function of the test, on a
// thread of its own, so that a reply may be whatever a broken server sends.
// run_load: one worker's run against it.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "load/worker.h"

namespace penstock::load {

class ScriptedServer {
 public:
  // `serve` is given the connection's number and its socket, which is closed when it returns.
  explicit ScriptedServer(std::function<void(int number, int fd)> serve)
      : path_("/tmp/penstock-load-" + std::to_string(getpid()) + "-" + std::to_string(++made_) +
              ".sock"),
        serve_(std::move(serve)),
        listener_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 64) != 0) {
      throw std::runtime_error("cannot listen on " + path_);
    }
    acceptor_ = std::thread([this] { accept_all(); });
  }

  // The load has ended: its sockets are closed, so that every serve() returns.
  ~ScriptedServer() {
    stop_accepting();
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::unlink(path_.c_str());
  }

  void stop_accepting() {
    ::unlink(path_.c_str());
    ::shutdown(listener_, SHUT_RDWR);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  void accept_all() {
    for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      threads_.emplace_back([this, fd, number = accepted_++] {
        serve_(number, fd);
        ::close(fd);
      });
    }
    ::close(listener_);
  }

  static inline std::atomic<int> made_ = 0;

  std::string path_;
  std::function<void(int, int)> serve_;
  int listener_;
  std::atomic<int> accepted_ = 0;
  std::vector<std::thread> threads_;  // the acceptor's, until it has ended
  std::thread acceptor_;
};

inline void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// A GET's head, and nothing after it. False: the client is gone.
inline bool read_head(int fd) {
  std::string head;
  for (char byte; !head.ends_with("\r\n\r\n"); head += byte) {
    if (::recv(fd, &byte, 1, 0) != 1) return false;
  }
  return true;
}

// Until the client is gone.
inline void ignore(int fd) {
  char bytes[4096];
  while (::recv(fd, bytes, sizeof bytes, 0) > 0) {
  }
}

inline Options options_for(const ScriptedServer& server, std::uint64_t requests) {
  Options options;
  options.unix_path = server.path();
  options.requests = requests;
  options.path = "/";
  return options;
}

inline Tally run_load(const Options& options) {
  const Target target(options);
  Worker worker(target, 0);
  worker.connect();
  worker.run(now_ns());
  return worker.tally();
}

}  // namespace penstock::load
