// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Requests that come before their model is loaded, through both doors.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "door/http_fixture.h"
#include "grpc_door_fixture.h"

namespace penstock::door::testing {
namespace {

class HttpOnDemandTest : public HttpDoorTest {
 protected:
  HttpOnDemandTest() { engine_->publish("m", {}, {1}, true); }
  void wait_for(std::uint64_t count) {
    EXPECT_TRUE(eventually([&] { return engine_->in_flight() == count; }));
  }
  void load() { engine_->publish("m", {model_}, {}, true); }
};

TEST_F(HttpOnDemandTest, EveryRequestIsAnsweredOnceTheModelIsThere) {
  open();
  std::vector<std::thread> clients;
  const std::vector<int> sizes{4, 100, 20'000, 200'000};  // behind the head, and in a buffer
  for (const int size : sizes) {
    clients.emplace_back([&, size] {
      const HttpReply reply = ask(infer(size));
      EXPECT_EQ(reply.status, 200);
      EXPECT_NE(reply.body.find(floats(size)), std::string::npos);
    });
  }
  wait_for(sizes.size());
  EXPECT_EQ(engine_->take_wanted_models(), std::vector<std::string>{"m"});
  load();
  for (auto& client : clients) client.join();
  wait_for(0);
}

TEST_F(HttpOnDemandTest, AConnectionIsUsedOn) {
  open();
  Client client(path());
  client.send(infer(4) + infer(8));
  wait_for(1);
  load();
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 200);
  engine_->publish("m", {}, {1}, true);
  client.send(infer(4));
  wait_for(1);
  engine_->refuse("m", unavailable("no weights"));
  const HttpReply reply = client.read();
  EXPECT_EQ(reply.status, 503);
  EXPECT_NE(reply.body.find("no weights"), std::string::npos);
}

TEST_F(HttpOnDemandTest, ABodyThatIsWrongIsToldLater) {
  open();
  Client client(path());
  client.send(post("", "{}"));
  wait_for(1);
  load();
  EXPECT_EQ(client.read().status, 400);
}

TEST_F(HttpOnDemandTest, ClientsThatLeaveWaitNoLonger) {
  open();
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(std::make_unique<Client>(path()));
      clients.back()->send(infer(100));
    }
    wait_for(20);
  }
  wait_for(0);
}

class GrpcOnDemandTest : public GrpcDoorTest {
 protected:
  GrpcOnDemandTest() {
    model_ = engine->find("m", -1).value();
    engine->publish("m", {}, {1}, true);
  }
  ~GrpcOnDemandTest() override { engine->publish("m", {std::move(model_)}, {}); }  // it ends it
  void wait_for(std::uint64_t count) {
    while (engine->in_flight() != count) std::this_thread::yield();
  }
  ModelVersionRef model_;
};

TEST_F(GrpcOnDemandTest, UnaryCallsAndStreamsGoOn) {
  SocketClient socket(port);
  for (int i = 0; i < 5; ++i) socket.client.unary("ModelInfer", infer_request("m"));
  ClientCall& stream = socket.client.start("ModelStreamInfer");
  for (int i = 0; i < 3; ++i) socket.client.send(stream, framed(infer_request("m")), i == 2);
  socket.flush();
  wait_for(8);
  engine->publish("m", {model_}, {}, true);
  EXPECT_TRUE(socket.finish());
  for (const auto& call : socket.client.calls) EXPECT_EQ(call->status(), "0");
  wait_for(0);
}

TEST_F(GrpcOnDemandTest, AModelThatIsNotToBeHadIsAnAnswer) {
  SocketClient socket(port);
  socket.client.unary("ModelInfer", infer_request("m"));
  ClientCall& stream = socket.client.start("ModelStreamInfer");
  socket.client.send(stream, framed(infer_request("m")), true);
  socket.flush();
  wait_for(2);
  engine->refuse("m", unavailable("no weights"));
  EXPECT_TRUE(socket.finish());
  EXPECT_EQ(socket.client.calls[0]->status(), "14");
  EXPECT_NE(stream.data.find("no weights"), std::string::npos);
  EXPECT_EQ(stream.status(), "0");
}

TEST_F(GrpcOnDemandTest, DeadlinesAndClientsThatLeaveEndTheWait) {
  SocketClient socket(port);
  socket.client.unary("ModelInfer", infer_request("m"), {{"grpc-timeout", "20m"}});
  EXPECT_TRUE(socket.finish());
  EXPECT_EQ(socket.client.calls[0]->status(), "4");
  wait_for(0);
  {
    SocketClient leaving(port);
    for (int i = 0; i < 20; ++i) leaving.client.unary("ModelInfer", infer_request("m"));
    leaving.flush();
    wait_for(20);
  }
  wait_for(0);
}

}  // namespace
}  // namespace penstock::door::testing
