// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A GrpcConnection with an engine behind it and a client in front of it, over byte buffers.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "door/grpc_connection.h"
#include "door/grpc_framing.h"
#include "support/plans.h"

namespace penstock::door::testing {

inline ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string framed(std::string_view message, bool compressed = false) {
  const auto prefix = grpc_prefix(compressed, message.size());
  return std::string(reinterpret_cast<const char*>(prefix.data()), prefix.size()) +
         std::string(message);
}

// ModelInferRequest of model `name` with input IN: two FP32 values, one row.
inline std::string infer_request(std::string_view name, std::string_view id = "") {
  std::string out = "\x0a" + std::string(1, static_cast<char>(name.size())) + std::string(name);
  if (!id.empty()) out += "\x1a" + std::string(1, static_cast<char>(id.size())) + std::string(id);
  const std::string tensor =
      std::string("\x0a\x02IN\x12\x04") + "FP32" + std::string("\x1a\x02\x01\x02", 4);
  out += "\x2a" + std::string(1, static_cast<char>(tensor.size())) + tensor;
  return out + std::string("\x3a\x08\x00\x00\x80\x3f\x00\x00\x00\x40", 10);
}

// What a client sees of one call.
struct ClientCall final : H2Stream {
  std::map<std::string, std::string> fields;
  std::string data;
  bool closed = false;
  H2Error error = H2Error::kNone;

  [[nodiscard]] std::string status() const {
    const auto found = fields.find("grpc-status");
    return found == fields.end() ? "none" : found->second;
  }
};

class TestClient final : public H2Events {
 public:
  explicit TestClient(H2Limits limits = {}) : session(H2Session::Role::kClient, *this, limits) {}

  ClientCall& start(std::string_view rpc, std::vector<H2Field> more = {}, bool end = false) {
    const std::string path = "/inference.GRPCInferenceService/" + std::string(rpc);
    std::vector<H2Field> fields{{":method", "POST"},
                                {":scheme", "http"},
                                {":authority", "test"},
                                {":path", path},
                                {"content-type", "application/grpc"},
                                {"te", "trailers"}};
    for (const H2Field& field : more) {
      const auto same = [&](const H2Field& known) { return known.name == field.name; };
      std::erase_if(fields, same);
      fields.insert(field.name[0] == ':' ? fields.begin() : fields.end(), field);
    }
    calls.push_back(std::make_unique<ClientCall>());
    EXPECT_TRUE(session.request(*calls.back(), fields, end));
    return *calls.back();
  }
  void send(ClientCall& call, std::string_view bytes, bool last) {
    kept.push_back(std::make_unique<std::string>(bytes));
    call.queue().push(bytes_of(*kept.back()), {});
    session.queued(call, last);
  }
  ClientCall& unary(std::string_view rpc, std::string_view message,
                    std::vector<H2Field> more = {}) {
    ClientCall& call = start(rpc, std::move(more));
    send(call, framed(message), true);
    return call;
  }

  H2Session session;
  std::vector<std::unique_ptr<ClientCall>> calls;
  std::vector<std::unique_ptr<std::string>> kept;
  bool goaway = false;
  bool reading = true;

 private:
  static ClientCall& of(H2Stream& stream) { return static_cast<ClientCall&>(stream); }
  H2Stream* on_opened() override { return nullptr; }
  void on_field(H2Stream& stream, std::string_view name, std::string_view value) override {
    of(stream).fields[std::string(name)] = value;
  }
  void on_headers(H2Stream&, bool, bool) override {}
  void on_data(H2Stream& stream, ByteSpan bytes) override {
    of(stream).data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (reading) session.consume(stream, bytes.size());
  }
  void on_end(H2Stream&) override {}
  void on_closed(H2Stream& stream, H2Error error) override {
    of(stream).closed = true;
    of(stream).error = error;
  }
  void on_goaway() override { goaway = true; }
};

class Socket final : public Handler {
 public:
  Socket() : Handler(eventfd(0, 0)) {}
  void on_events(Events) override {}
};

// Echoes IN as OUT, when it is let to.
class GatedEcho final : public NativeInstance {
 public:
  void execute(Batch& batch) override {
    open.wait(false);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      TensorView view;
      if (!batch.input(i, 0, view)) continue;
      const InputTensor* input = batch.request(i).find_input(0);
      if (Status s = batch.set_output(i, 0, view, input->lease); !s.ok()) batch.fail(i, s);
    }
  }
  static inline std::atomic<bool> open{true};
  static void set(bool value) {
    open = value;
    open.notify_all();
  }
};

class GrpcFixture : public ::testing::Test {
 protected:
  GrpcFixture() {
    auto made = engine.create(std::make_shared<ModelPlan>(penstock::testing::pair_plan(4)));
    EXPECT_TRUE(made.ok());
    model = made.value();
    GatedEcho::set(true);
    model->start(0, std::make_unique<GatedEcho>());
    engine.publish("m", {model}, {});
    state.started = state.ready = true;
  }
  ~GrpcFixture() override {
    GatedEcho::set(true);
    if (connection) connection->abandon();
    settle();
    connection.reset();
    EXPECT_EQ(engine.in_flight(), 0u);
    EXPECT_EQ(budget.taken(), 0u);
  }

  void connect() { connection = std::make_unique<GrpcConnection>(context, socket); }

  // Moves bytes between the two until neither has anything to say.
  void exchange() {
    if (!connection) connect();
    for (bool moved = true; moved;) {
      moved = false;
      H2Output up;
      client.session.send(up);
      if (!up.empty()) moved = connection->receive(bytes_of(flatten(up)));
      while (connection->work()) {
      }
      context.burst.flush();
      H2Output down;
      connection->send(down);
      if (down.empty()) continue;
      moved = true;
      from_server += down.pending();
      (void)client.session.receive(bytes_of(flatten(down)));
    }
  }
  // Delivers every response that is still to come.
  void settle() {
    while (engine.in_flight() > 0) {
      deliver();
      if (connection && !abandoned) exchange();
      std::this_thread::yield();
    }
    if (connection && !abandoned) exchange();
  }
  void deliver() {
    loop.completions().disarm();
    CompletionNode* node = loop.completions().take_all();
    while (node != nullptr) {
      CompletionNode* next = node->next;
      auto& response = *static_cast<Response*>(node);
      auto* ticket = static_cast<Ticket*>(response.request->tag);
      connection->answer(*static_cast<Inference*>(ticket), response);
      node = next;
    }
  }
  static std::string flatten(H2Output& output) {
    std::string bytes;
    while (!output.empty()) {
      std::array<iovec, 16> pieces;
      const int count = output.gather(pieces);
      std::size_t size = 0;
      for (int i = 0; i < count; ++i) {
        bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
        size += pieces[i].iov_len;
      }
      output.advance(size);
    }
    return bytes;
  }
  void run() {
    exchange();
    settle();
  }

  Engine engine{EngineOptions{}};
  ModelVersionRef model;
  EventLoop loop{engine.clock()};
  GrpcDoorOptions options;
  GrpcState state;
  ByteBudget budget{64 << 20};
  LoopCounters counters;
  EndSignal ended;
  GrpcContext context{engine, loop, options, state, budget, counters, ended};
  Socket socket;
  std::unique_ptr<GrpcConnection> connection;
  TestClient client;
  bool abandoned = false;
  std::size_t from_server = 0;
};

}  // namespace penstock::door::testing
