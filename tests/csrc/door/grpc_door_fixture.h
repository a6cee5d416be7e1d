// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A real GrpcDoor on a TCP port, with an engine behind it and clients on blocking sockets.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "door/grpc_fixture.h"
#include "penstock/grpc_door.h"

namespace penstock::door::testing {

inline constexpr std::int64_t kSecond = 1'000'000'000;

// A client on a blocking socket.
class SocketClient {
 public:
  explicit SocketClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval timeout{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~SocketClient() { ::close(fd_); }

  void flush() {
    H2Output output;
    client.session.send(output);
    const std::string bytes = flatten(output);
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t now = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return;
      sent += static_cast<std::size_t>(now);
    }
  }
  // Until all calls are closed; false: the connection ended before.
  bool finish() {
    const auto open = [](const auto& call) { return !call->closed; };
    while (std::any_of(client.calls.begin(), client.calls.end(), open)) {
      flush();
      char buffer[65536];
      const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (got <= 0) return false;
      (void)client.session.receive(
          bytes_of(std::string_view(buffer, static_cast<std::size_t>(got))));
    }
    return true;
  }

  TestClient client;

 private:
  static std::string flatten(H2Output& output) {
    std::string bytes;
    while (!output.empty()) {
      std::array<iovec, 1> piece;
      (void)output.gather(piece);
      bytes.append(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
      output.advance(piece[0].iov_len);
    }
    return bytes;
  }
  int fd_;
};

class GrpcDoorTest : public ::testing::Test {
 protected:
  GrpcDoorTest() {
    auto model = engine->create(std::make_shared<ModelPlan>(penstock::testing::pair_plan(8)));
    GatedEcho::set(true);
    model.value()->start(0, std::make_unique<GatedEcho>());
    engine->publish("m", {model.value()}, {});
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 128), 0);
    EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    GrpcDoorOptions options;
    options.listener = listener;
    options.threads = 2;
    auto started = GrpcDoor::start(engine, std::move(options));
    EXPECT_TRUE(started.ok());
    door = std::move(started.value());
    door->set_state(true, true, false);
  }
  ~GrpcDoorTest() override { GatedEcho::set(true); }

  // Nothing is left of what was begun.
  void expect_level() {
    const GrpcDoorCounters counters = door->counters();
    EXPECT_EQ(counters.calls_begun, counters.calls_ended);
    EXPECT_EQ(counters.connections_opened, counters.connections_closed);
    EXPECT_EQ(counters.in_flight_bytes, 0u);
    EXPECT_EQ(engine->in_flight(), 0u);
  }

  std::shared_ptr<Engine> engine = std::make_shared<Engine>(EngineOptions{});
  std::unique_ptr<GrpcDoor> door;
  std::uint16_t port = 0;
};

}  // namespace penstock::door::testing
