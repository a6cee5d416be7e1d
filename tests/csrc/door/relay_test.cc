// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What is passed on, against an upstream whose answers the test writes byte by byte.
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "door/http_fixture.h"

namespace penstock::door::testing {
namespace {

// Takes one connection after the other and answers each message with the next reply.
class FakeUpstream {
 public:
  FakeUpstream(const std::string& path, std::deque<std::string> replies)
      : listener_(listen_at(path)), replies_(std::move(replies)), thread_([this] { run(); }) {}
  ~FakeUpstream() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string received() {
    std::lock_guard lock(mutex_);
    return received_;
  }
  [[nodiscard]] int connections() {
    std::lock_guard lock(mutex_);
    return connections_;
  }

 private:
  static bool readable(int fd) {
    pollfd poll_fd{fd, POLLIN, 0};
    return poll(&poll_fd, 1, 20'000) == 1;
  }
  void run() {
    while (!replies_.empty() && readable(listener_)) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      {
        std::lock_guard lock(mutex_);
        ++connections_;
      }
      serve(fd);
      ::close(fd);
    }
  }
  static bool complete(const std::string& text) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    if (text.find("Transfer-Encoding: chunked") < end) return text.ends_with("0\r\n\r\n");
    const std::size_t at = text.find("Content-Length: ");
    const std::size_t length = at < end ? std::strtoul(text.c_str() + at + 16, nullptr, 10) : 0;
    return text.size() >= end + 4 + length;
  }
  void serve(int fd) {
    std::string message;
    char buffer[65536];
    for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      message.append(buffer, static_cast<std::size_t>(got));
      if (!complete(message)) continue;
      std::string reply = replies_.front();
      replies_.pop_front();
      {
        std::lock_guard lock(mutex_);
        received_ += message;
      }
      message.clear();
      const bool close = reply.find("Connection: close") != std::string::npos ||
                         reply.find("Content-Length") == std::string::npos;
      for (const char c : reply) ::send(fd, &c, 1, MSG_NOSIGNAL);  // as slow as it gets
      if (close && reply.find("chunked") == std::string::npos) return;
    }
  }

  const int listener_;
  std::deque<std::string> replies_;
  std::mutex mutex_;
  std::string received_;
  int connections_ = 0;
  std::thread thread_;
};

class RelayTest : public HttpDoorTest {
 protected:
  FakeUpstream& open_with(std::deque<std::string> replies) {
    upstream_ = std::make_unique<FakeUpstream>(directory_ + "/up", std::move(replies));
    open({}, true, 1);
    return *upstream_;
  }
  ~RelayTest() override {
    door_.reset();
    upstream_.reset();
  }
  std::unique_ptr<FakeUpstream> upstream_;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok";

TEST_F(RelayTest, PassesARequestOnAndItsAnswerBack) {
  FakeUpstream& upstream = open_with({kOk, kOk});
  Client client(path());
  client.send(post("X-Y: z\r\nConnection: keep-alive, x-secret\r\nX-Secret: s\r\nTE: trailers\r\n",
                   "body", "/other?q"));
  EXPECT_EQ(client.read().head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n");
  client.send("GET /more HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read().body, "ok");
  EXPECT_EQ(upstream.received(),
            "POST /other?q HTTP/1.1\r\nHost: x\r\nX-Y: z\r\nContent-Length: 4\r\n\r\nbody"
            "GET /more HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(upstream.connections(), 1);  // used again
}

TEST_F(RelayTest, FramesAChunkedBodyAnew) {
  FakeUpstream& upstream = open_with({kOk});
  Client client(path());
  client.send(
      "POST /other HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
      "2;ext=1\r\nab\r\n1\r\nc\r\n000\r\nTrailer: t\r\n\r\n");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(upstream.received(),
            "POST /other HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
}

TEST_F(RelayTest, StreamsAChunkedAnswer) {
  open_with(
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n1\r\nz\r\n0\r\n\r\n"});
  Client client(path());
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.read().has("Transfer-Encoding: chunked\r\nConnection: close\r\n"));
  std::string chunks;
  while (!chunks.ends_with("0\r\n\r\n")) {
    char c = 0;
    ASSERT_TRUE(client.take(c));
    chunks.push_back(c);
  }
  std::string payload;  // however it was cut into chunks
  for (const char c : chunks) payload += c >= 'a' && c <= 'z' ? std::string(1, c) : "";
  EXPECT_EQ(payload, "xyz");
  EXPECT_TRUE(client.at_end());
}

TEST_F(RelayTest, EndsWhereAnOpenEndedAnswerEnds) {
  open_with({"HTTP/1.1 200 OK\r\n\r\nuntil the end", "HTTP/1.1 200 OK\r\n\r\nuntil the end"});
  Client old(path());
  old.send("GET /x HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(old.read().has("Connection: close\r\n"));
  std::string body;
  for (char c = 0; old.take(c);) body.push_back(c);
  EXPECT_EQ(body, "until the end");
}

TEST_F(RelayTest, AnswersWithoutABody) {
  open_with({"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", kOk});
  Client client(path());
  client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET /y HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string text;
  while (!text.ends_with("\r\n\r\nok")) {
    char c = 0;
    ASSERT_TRUE(client.take(c));
    text.push_back(c);
  }
  EXPECT_TRUE(text.starts_with("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1"));
}

TEST_F(RelayTest, SaysWhenTheUpstreamIsGone) {
  open({}, true, 1);  // nobody listens
  EXPECT_EQ(ask("GET /x HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
  EXPECT_EQ(ask(infer(4)).status, 200);
}

TEST_F(RelayTest, DoesNotPassOnHalfAnAnswer) {
  open_with({"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nhalf",
             "nonsense Connection: close\r\n\r\n"});
  Client client(path());
  client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read().status, 0);  // cut, as it was
  EXPECT_EQ(ask("GET /x HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
}

TEST_F(RelayTest, AClientThatLeavesTakesItsUpstreamWithIt) {
  FakeUpstream& upstream = open_with({kOk});
  {
    Client client(path());
    client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfive5");
    EXPECT_TRUE(eventually([&] { return upstream.connections() == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return door_->counters().connections_closed == 1; }));
  EXPECT_EQ(door_->counters().requests_ended, 1u);
}

TEST_F(RelayTest, NothingIsSmuggled) {
  FakeUpstream& upstream = open_with({kOk});
  const HttpReply reply =
      ask("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\nhello0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(upstream.received(), "");
}

}  // namespace
}  // namespace penstock::door::testing
