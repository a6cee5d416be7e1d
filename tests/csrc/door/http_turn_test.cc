// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Http1Connection on a loop that the test holds still, so that things happen at the same time.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "door/http1_connection.h"
#include "door/http_fixture.h"

namespace penstock::door::testing {
namespace {

class HttpTurn : public HttpDoorTest {
 protected:
  HttpTurn() {
    EXPECT_TRUE(shared_.slots.try_take());
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
    shared_.state.set(true, true, false);
    EXPECT_TRUE(loop_.add(std::make_unique<Http1Connection>(ends_[1], context_)));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~HttpTurn() override {
    gate_.open();
    loop_.stop();
    thread_.join();
    for (const int fd : {ends_[0], upstream_, listener_}) {
      if (fd >= 0) ::close(fd);
    }
  }
  static void send_all(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // The upstream has the request that was passed on.
  void await_upstream() {
    pollfd waiting{listener_, POLLIN, 0};
    ASSERT_EQ(poll(&waiting, 1, 20'000), 1);
    upstream_ = accept(listener_, nullptr, nullptr);
    char buffer[4096];
    ASSERT_GT(recv(upstream_, buffer, sizeof buffer, 0), 0);
  }
  // In one round of the loop.
  void on_loop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::string received(std::size_t replies) {
    std::string text;
    const auto count = [&] {
      std::size_t found = 0;
      for (std::size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != std::string::npos; ++at) {
        ++found;
      }
      return found;
    };
    char buffer[65536];
    while (count() < replies) {
      const ssize_t got = recv(ends_[0], buffer, sizeof buffer, 0);
      if (got <= 0) break;
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

  const int listener_ = listen_at(directory_ + "/up");
  int upstream_ = -1;
  std::array<int, 2> ends_{-1, -1};
  EventLoop loop_{engine_->clock()};
  DoorShared shared_{engine_, {}};
  HttpContext context_{loop_, shared_, directory_ + "/up"};
  std::thread thread_;
};

// The reply of the upstream asks for a turn, but the client's next bytes come first: they send the
// reply, and begin an inference, which must not take the turn for its own.
TEST_F(HttpTurn, ATurnIsNotTakenByTheNextRequest) {
  gate_.shut();
  send_all(ends_[0], "GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n");
  await_upstream();
  on_loop([this] {
    send_all(upstream_, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    send_all(ends_[0], infer(4));
  });
  gate_.await_waiting();
  on_loop([] {});  // the round with the turn is over
  gate_.open();
  const std::string replies = received(2);
  EXPECT_EQ(replies.find(" 400 "), std::string::npos) << replies;
  EXPECT_NE(replies.find("OUT"), std::string::npos) << replies;
  EXPECT_EQ(shared_.budget.taken(), 0u);
}

}  // namespace
}  // namespace penstock::door::testing
