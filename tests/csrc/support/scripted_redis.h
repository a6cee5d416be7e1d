// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ScriptedRedis: a Redis server of a few commands, in a thread, that can be told to misbehave.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace penstock::testing {

class ScriptedRedis {
 public:
  enum class Mood : std::uint8_t {
    kGood,
    kSilent,   // takes commands, answers nothing
    kHangsUp,  // closes at the next command
    kNoise,    // answers what is no Redis
    kRefuses,  // -LOADING
    kDrips,    // a byte of an endless answer now and then
  };

  explicit ScriptedRedis(std::string password = {}) : password_(std::move(password)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 8);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~ScriptedRedis() {
    stopping_ = true;
    thread_.join();
    for (const auto& [fd, input] : clients_) ::close(fd);
    ::close(listener_);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void set_mood(Mood mood) { mood_ = mood; }
  void put(const std::string& key, const std::string& value) {
    std::lock_guard lock(mutex_);
    values_[key] = value;
  }
  [[nodiscard]] std::map<std::string, std::string> values() const {
    std::lock_guard lock(mutex_);
    return values_;
  }
  // The words of all commands so far, with a blank between.
  [[nodiscard]] std::vector<std::string> commands() const {
    std::lock_guard lock(mutex_);
    return commands_;
  }

 private:
  using Words = std::vector<std::string>;

  void run() {
    while (!stopping_) {
      std::vector<pollfd> watched{{listener_, POLLIN, 0}};
      for (const auto& [fd, input] : clients_) watched.push_back({fd, POLLIN, 0});
      ::poll(watched.data(), watched.size(), 10);
      if (watched[0].revents != 0) clients_[::accept4(listener_, nullptr, nullptr, 0)];
      for (std::size_t i = 1; i < watched.size(); ++i) {
        if (mood_ == Mood::kDrips) (void)::send(watched[i].fd, "+", 1, MSG_NOSIGNAL);
        if (watched[i].revents != 0) serve(watched[i].fd);
      }
    }
  }
  void serve(int fd) {
    char bytes[65536];
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
    std::string& input = clients_[fd];
    if (got > 0) input.append(bytes, static_cast<std::size_t>(got));
    bool open = got > 0;
    Words words;
    while (open && take(input, words)) open = answer(fd, words);
    if (open) return;
    ::close(fd);
    clients_.erase(fd);
  }
  static bool number(const std::string& input, std::size_t& at, std::size_t& value) {
    const std::size_t end = input.find("\r\n", at);
    if (end == std::string::npos) return false;
    std::from_chars(input.data() + at + 1, input.data() + end, value);
    at = end + 2;
    return true;
  }
  static bool take(std::string& input, Words& words) {
    words.clear();
    std::size_t at = 0;
    std::size_t count = 0;
    if (!number(input, at, count)) return false;
    for (; count > 0; --count) {
      std::size_t size = 0;
      if (!number(input, at, size) || input.size() < at + size + 2) return false;
      words.push_back(input.substr(at, size));
      at += size + 2;
    }
    input.erase(0, at);
    return true;
  }
  bool answer(int fd, const Words& words) {
    std::string line;
    for (const auto& word : words) line += (line.empty() ? "" : " ") + word;
    std::string reply;
    {
      std::lock_guard lock(mutex_);
      commands_.push_back(line);
      switch (mood_.load()) {
        case Mood::kGood:
          reply = execute(words);
          break;
        case Mood::kNoise:
          reply = "HTTP/1.1 400 Bad Request\r\n\r\n";
          break;
        case Mood::kRefuses:
          reply = "-LOADING Redis is loading the dataset in memory\r\n";
          break;
        case Mood::kHangsUp:
          return false;
        case Mood::kSilent:
        case Mood::kDrips:
          return true;
      }
    }
    return ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(reply.size());
  }
  std::string execute(const Words& words) {
    if (words[0] == "AUTH") return words.back() == password_ ? "+OK\r\n" : "-WRONGPASS no\r\n";
    if (words[0] == "SELECT") return "+OK\r\n";
    if (words[0] == "GET") {
      const auto found = values_.find(words[1]);
      if (found == values_.end()) return "$-1\r\n";
      return "$" + std::to_string(found->second.size()) + "\r\n" + found->second + "\r\n";
    }
    if (words.size() == 4) {
      values_.emplace(words[1], words[2]);
    } else {
      values_[words[1]] = words[2];
    }
    return "+OK\r\n";
  }

  const std::string password_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<Mood> mood_{Mood::kGood};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> commands_;
  std::map<int, std::string> clients_;  // what each has sent of a command
  std::thread thread_;
};

}  // namespace penstock::testing
