// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Clients that leave, dawdle, or want too much (reliability.md 3.B).
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "door/http_fixture.h"

namespace penstock::door::testing {
namespace {

constexpr std::int64_t kMs = 1'000'000;

class HttpAbuse : public HttpDoorTest {
 protected:
  // What was created has been released.
  void expect_balance() {
    EXPECT_TRUE(eventually([&] {
      const HttpDoorCounters c = door_->counters();
      return c.connections_opened == c.connections_closed && c.requests_begun == c.requests_ended &&
             c.in_flight_bytes == 0 && engine_->in_flight() == 0;
    }));
    EXPECT_EQ(ask(infer(4)).status, 200);
  }
};

TEST_F(HttpAbuse, ClientsThatLeaveCancelTheirRequests) {  // H-30, B9
  open();
  gate_.shut();
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(std::make_unique<Client>(path()));
      clients.back()->send(infer(static_cast<std::size_t>(i) * 200 + 1));
    }
    if (round == 0) gate_.await_waiting();
  }
  EXPECT_TRUE(eventually([&] {
    const HttpDoorCounters c = door_->counters();
    return c.connections_opened == 1000 && c.connections_closed == 1000;
  }));
  gate_.open();
  expect_balance();
  // All but the batch that was running, and those that came too late to be queued.
  EXPECT_LE(model_->statistics().inference_count, 2u);
}

TEST_F(HttpAbuse, AHalfClosedClientGetsItsReply) {  // B6
  open();
  for (int i = 0; i < 100; ++i) {
    Client client(path());
    client.send(infer(4));
    client.end_input();
    HttpReply reply = client.read();
    if (reply.status == 100) reply = client.read();
    ASSERT_EQ(reply.status, 200);
    EXPECT_TRUE(client.at_end());
  }
  expect_balance();
}

TEST_F(HttpAbuse, ABodyThatEndsEarlyIsDropped) {  // B6
  open();
  for (const std::size_t count : {4, 10'000, 100'000}) {
    const std::string text = infer(count);
    Client client(path());
    client.send(text.substr(0, text.size() - 1));
    client.end_input();
    EXPECT_TRUE(client.at_end());
  }
  expect_balance();
}

TEST_F(HttpAbuse, ACutBodySentAheadIsDropped) {  // B6: the end came while the first was answered
  HttpDoorLimits limits;
  limits.idle_timeout_ns = limits.header_timeout_ns = limits.body_timeout_ns = 3600'000 * kMs;
  open(limits);
  for (const std::size_t count : {4, 10'000}) {
    gate_.shut();
    const std::string text = infer(count);
    Client client(path());
    client.send(infer(4) + text.substr(0, text.size() - 1));
    client.end_input();
    gate_.await_waiting();
    EXPECT_EQ(client.read().status, 100);
    gate_.open();
    EXPECT_EQ(client.read().status, 200);
    EXPECT_TRUE(client.at_end());
  }
  expect_balance();
}

TEST_F(HttpAbuse, ASlowHeadIsEnded) {  // B1
  HttpDoorLimits limits;
  limits.header_timeout_ns = 100 * kMs;
  open(limits);
  Client client(path());
  client.send("GET /v2 HT");
  const HttpReply reply = client.read();
  EXPECT_EQ(reply.status, 408);
  EXPECT_TRUE(reply.has("Connection: close\r\n"));
  client.close();
  expect_balance();
}

TEST_F(HttpAbuse, ASlowBodyIsEnded) {  // B1
  HttpDoorLimits limits;
  limits.body_timeout_ns = 100 * kMs;
  open(limits);
  for (const std::size_t count : {4, 10'000}) {
    Client client(path());
    const std::string text = infer(count);
    client.send(text.substr(0, text.size() - 3));
    EXPECT_EQ(client.read().status, 408);
  }
  expect_balance();
}

TEST_F(HttpAbuse, ABodyThatTricklesIsEnded) {  // B1: always moving, and too slow
  HttpDoorLimits limits;
  limits.header_timeout_ns = 200 * kMs;
  limits.min_bytes_per_second = 1'000'000;
  open(limits);
  Client client(path());
  const std::string text = infer(1000);
  const std::size_t body = text.find("\r\n\r\n") + 4;
  client.send(text.substr(0, body));
  std::atomic<bool> refused{false};
  std::thread trickle([&] {
    for (std::size_t at = body; at < text.size() && !refused; ++at) {
      client.send(text.substr(at, 1));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_EQ(client.read().status, 408);
  refused = true;
  trickle.join();
}

TEST_F(HttpAbuse, AnIdleConnectionIsEnded) {
  HttpDoorLimits limits;
  limits.idle_timeout_ns = 100 * kMs;
  open(limits);
  Client fresh(path());
  Client used(path());
  used.send(infer(4));
  EXPECT_EQ(used.read().status, 200);
  EXPECT_TRUE(fresh.at_end());
  EXPECT_TRUE(used.at_end());
}

TEST_F(HttpAbuse, ManyAreEndedAtATime) {  // more than a round of the loop does
  HttpDoorLimits limits;
  limits.header_timeout_ns = 200 * kMs;
  open(limits, false, 1);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(std::make_unique<Client>(path()));
    clients.back()->send("GET /v2 HT");
  }
  for (auto& client : clients) EXPECT_EQ(client->read().status, 408);
  clients.clear();
  expect_balance();
}

TEST_F(HttpAbuse, AClientThatTakesNothingIsEnded) {  // B1
  HttpDoorLimits limits;
  limits.send_timeout_ns = 200 * kMs;
  open(limits);
  Client client(path());
  std::thread sender([&] { client.send(infer(2'000'000)); });
  sender.join();
  EXPECT_TRUE(eventually([&] { return door_->counters().connections_closed == 1; }));
  EXPECT_TRUE(eventually([&] { return engine_->in_flight() == 0; }));
}

TEST_F(HttpAbuse, TooManyConnectionsAreToldSo) {  // B2
  HttpDoorLimits limits;
  limits.max_connections = 4;
  open(limits, false, 1);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Client>(path()));
    clients.back()->send(infer(4));
    EXPECT_EQ(clients.back()->read().status, 200);
  }
  Client extra(path());
  const HttpReply reply = extra.read();
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.has("Retry-After: 1\r\n"));
  EXPECT_EQ(reply.body, R"({"error":"too many connections"})");
  EXPECT_EQ(door_->counters().refused, 1u);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return door_->counters().connections_closed == 4; }));
  expect_balance();
}

TEST_F(HttpAbuse, BytesInFlightHaveABudget) {  // B4
  HttpDoorLimits limits;
  limits.max_in_flight_bytes = 1'000'000;
  open(limits);
  Client first(path());
  const std::string text = infer(200'000);
  first.send(text.substr(0, text.size() - 1));
  EXPECT_TRUE(eventually([&] { return door_->counters().in_flight_bytes > 0; }));
  Client second(path());
  second.send(text.substr(0, text.find("\r\n\r\n") + 4));
  const HttpReply reply = second.read();  // before its body was sent
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.has("Retry-After: 1\r\n"));
  EXPECT_EQ(ask(infer(4)).status, 200);  // what is small is not counted
  first.send(text.substr(text.size() - 1));
  EXPECT_EQ(first.read().status, 200);
  first.close();
  second.close();
  expect_balance();
}

TEST_F(HttpAbuse, WhatIsTooLargeIsNotRead) {  // B3
  HttpDoorLimits limits;
  limits.max_body_bytes = 1'000'000;
  open(limits);
  const std::string line = "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n";
  const HttpReply declared = ask(line + "Content-Length: 10995116277760\r\n\r\n");
  EXPECT_EQ(declared.status, 413);
  EXPECT_NE(declared.body.find("of 10995116277760 bytes exceeds the maximum allowed size of"),
            std::string::npos);
  Client endless(path());
  endless.send(line + "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  while (endless.send(chunk)) {
  }
  EXPECT_EQ(endless.read().status, 413);
  endless.close();
  expect_balance();
}

TEST_F(HttpAbuse, TheDoorClosesOverRequestsInTheCore) {
  open();
  gate_.shut();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(path()));
    clients.back()->send(infer(100));
  }
  gate_.await_waiting();
  EXPECT_TRUE(eventually([&] { return door_->counters().inferences == 20; }));
  std::thread opener([&] {
    for (auto& client : clients) EXPECT_EQ(client->read().status, 0);
    gate_.open();
  });
  door_.reset();
  opener.join();
  EXPECT_TRUE(eventually([&] { return engine_->in_flight() == 0; }));
}

}  // namespace
}  // namespace penstock::door::testing
