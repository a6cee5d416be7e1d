// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A real HttpDoor on a Unix socket, with an engine behind it and plain sockets in front of it.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "penstock/door.h"
#include "penstock/engine.h"
#include "support/plans.h"

namespace penstock::door::testing {

inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

inline int listen_at(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const sockaddr_un address = unix_address(path);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd, 1024), 0);
  return fd;
}

// Keeps batches waiting while it is shut.
class Gate {
 public:
  void shut() { set(false); }
  void open() { set(true); }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    --waiting_;
  }
  // Until an instance stands before the gate.
  void await_waiting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }

 private:
  void set(bool open) {
    std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

// IN -> OUT without a copy.
class Echo final : public NativeInstance {
 public:
  explicit Echo(Gate& gate) : gate_(gate) {}
  void execute(Batch& batch) override {
    gate_.pass();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const InputTensor& input = batch.request(i).inputs[0];
      const Status status = batch.set_output(i, 0, input.view, input.lease);
      if (!status.ok()) batch.fail(i, status);
    }
  }

 private:
  Gate& gate_;
};

struct HttpReply {
  int status = 0;  // 0: the connection ended before a whole reply
  std::string head;
  std::string body;
  [[nodiscard]] bool has(std::string_view text) const {
    return head.find(text) != std::string::npos;
  }
};

class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = unix_address(path);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval timeout{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void end_input() const { shutdown(fd_, SHUT_WR); }
  // False: the peer does not take it any more.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  HttpReply read() {
    HttpReply reply;
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return reply;
    }
    reply.head = received_.substr(0, end + 4);
    received_.erase(0, end + 4);
    const std::size_t at = reply.head.find("Content-Length: ");
    const std::size_t length =
        at == std::string::npos ? 0 : std::strtoull(reply.head.c_str() + at + 16, nullptr, 10);
    while (received_.size() < length) {
      if (!receive()) return reply;
    }
    reply.body = received_.substr(0, length);
    received_.erase(0, length);
    reply.status = std::atoi(reply.head.c_str() + 9);
    return reply;
  }
  // One byte; false at the end.
  bool take(char& c) {
    if (received_.empty() && !receive()) return false;
    c = received_.front();
    received_.erase(0, 1);
    return true;
  }
  // The server has ended the connection, and nothing is left to read.
  bool at_end() { return received_.empty() && !receive() && received_.empty(); }

 private:
  bool receive() {
    char buffer[65536];
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) received_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }
  int fd_;
  std::string received_;
};

inline std::string floats(std::size_t count) { return std::string(count * 4, '\x3f'); }

inline std::string infer_json(std::size_t count) {
  const std::string n = std::to_string(count);
  return R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[)" + n +
         R"(],"parameters":{"binary_data_size":)" + std::to_string(count * 4) +
         R"(}}],"parameters":{"binary_data_output":true}})";
}

inline std::string post(const std::string& fields, const std::string& body,
                        const std::string& path = "/v2/models/m/infer") {
  return "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + fields +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A binary inference of `count` floats, which are answered as they are.
inline std::string infer(std::size_t count, const std::string& fields = "") {
  const std::string json = infer_json(count);
  return post(fields + "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n",
              json + floats(count));
}

class HttpDoorTest : public ::testing::Test {
 protected:
  HttpDoorTest() {
    ModelPlan plan;
    plan.name = "m";
    plan.inputs.push_back(penstock::testing::tensor_spec("IN", DataType::kFp32, Shape{-1}));
    plan.outputs.push_back(penstock::testing::tensor_spec("OUT", DataType::kFp32, Shape{-1}));
    auto model = engine_->create(std::make_shared<const ModelPlan>(std::move(plan)));
    EXPECT_TRUE(model.ok());
    model_ = model.value();
    model_->start(0, std::make_unique<Echo>(gate_));
    engine_->publish("m", {model_}, {});
    std::string directory = "/tmp/penstock-test-XXXXXX";
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    directory_ = directory;
  }
  ~HttpDoorTest() override {
    gate_.open();
    door_.reset();
    engine_->publish("m", {}, {});
    engine_->retire(model_, 5'000'000'000);
    model_.reset();
    std::filesystem::remove_all(directory_);
  }
  HttpDoor& open(HttpDoorLimits limits = {}, bool upstream = false, std::uint32_t threads = 2) {
    auto door = HttpDoor::start(engine_, {.listener = listen_at(path()),
                                          .upstream_path = upstream ? directory_ + "/up" : "",
                                          .threads = threads,
                                          .limits = limits});
    EXPECT_TRUE(door.ok());
    door_ = std::move(door.value());
    door_->set_state(true, true, false);
    return *door_;
  }
  [[nodiscard]] std::string path() const { return directory_ + "/door"; }
  HttpReply ask(const std::string& request) {
    Client client(path());
    client.send(request);
    return client.read();
  }
  // Waits for something that another thread will bring about.
  static ::testing::AssertionResult eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 20'000; ++i) {
      if (condition()) return ::testing::AssertionSuccess();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return ::testing::AssertionFailure() << "not within 20 s";
  }

  std::string directory_;
  Gate gate_;
  std::shared_ptr<Engine> engine_ = std::make_shared<Engine>(EngineOptions{});
  ModelVersionRef model_;
  std::unique_ptr<HttpDoor> door_;
};

}  // namespace penstock::door::testing
