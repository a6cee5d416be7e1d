// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Streams of decoupled models: order, the final flag, back-pressure, cancellation (G-25..G-27).
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "door/grpc_messages.h"
#include "grpc_fixture.h"

namespace penstock::door::testing {
namespace {

using namespace std::literals;

// Hands the responders of its requests to the test, by the requests' ids.
class Hands final : public NativeInstance {
 public:
  struct Held {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, Responder> responders;

    Responder take(const std::string& id) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return responders.contains(id); });
      Responder taken = std::move(responders.at(id));
      responders.erase(id);
      return taken;
    }
  };
  explicit Hands(Held& held) : held_(held) {}
  void execute(Batch& batch) override {
    std::lock_guard lock(held_.mutex);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::string id = batch.request(i).id;
      held_.responders.emplace(id, batch.defer(i));
    }
    held_.changed.notify_all();
  }

 private:
  Held& held_;
};

class GrpcDecoupled : public GrpcFixture {
 protected:
  static constexpr std::uint32_t kCapacity = 8;

  GrpcDecoupled() {
    ModelPlan plan = penstock::testing::pair_plan(4);
    plan.name = "d";
    plan.decoupled = true;
    plan.response_capacity = kCapacity;
    many = engine.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    many->start(0, std::make_unique<Hands>(held));
    engine.publish("d", {many}, {});
  }

  ClientCall& stream(std::vector<H2Field> more = {}) {
    return client.start("ModelStreamInfer", std::move(more));
  }
  Responder ask(ClientCall& call, std::string_view id, std::string_view parameters = "") {
    client.send(call, framed(infer_request("d", id) + std::string(parameters)), false);
    exchange();
    return held.take(std::string(id));
  }
  void end(ClientCall& call) {
    client.send(call, "", true);
    run();
  }
  // A response of `size` bytes, two values to a row.
  Response* fill(Responder& responder, std::size_t size = 8) {
    auto begun = responder.begin();
    if (!begun.ok()) return nullptr;
    BufferLease lease = engine.pool().acquire(size);
    std::memset(lease->data, 0x41, size);
    TensorView view;
    view.type = DataType::kFp32;
    view.shape = Shape{static_cast<std::int64_t>(size / 8), 2};
    view.data = lease->data;
    view.size_bytes = size;
    EXPECT_TRUE(responder.set_output(*begun.value(), 0, view, lease).ok());
    return begun.value();
  }
  void say(Responder& responder) {
    responder.send(fill(responder));
    deliver();
    exchange();
  }
  // Until the client has so much of the call.
  void receive(const ClientCall& call, std::size_t bytes) {
    while (call.data.size() < bytes) {
      deliver();
      exchange();
      std::this_thread::yield();
    }
  }

  static std::vector<std::string> ids(const std::string& data) {
    std::vector<std::string> found;
    for (std::size_t at = data.find("\x1a\x01"); at != std::string::npos;
         at = data.find("\x1a\x01", at + 1)) {
      found.push_back(data.substr(at + 2, 1));
    }
    return found;
  }
  static std::size_t count(const std::string& data, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = data.find(part); at != std::string::npos; at = data.find(part, at + 1)) {
      ++found;
    }
    return found;
  }

  Hands::Held held;
  ModelVersionRef many;
};

// parameters {"triton_enable_empty_final_response": true}
constexpr std::string_view kOptIn =
    "\x22\x28\x0a\x22triton_enable_empty_final_response\x12\x02\x08\x01"sv;

TEST_F(GrpcDecoupled, ResponsesComeAsTheyAreMade) {  // G-25
  ClientCall& call = stream();
  Responder a = ask(call, "a");
  Responder b = ask(call, "b");
  for (Responder* responder : {&b, &a, &a, &b}) say(*responder);
  client.send(call, framed(infer_request("m", "o")), false);
  exchange();
  receive(call, call.data.size() + 1);
  a.finish(nullptr);
  b.finish(nullptr);
  end(call);
  EXPECT_EQ(call.status(), "0");
  EXPECT_EQ(ids(call.data), (std::vector<std::string>{"b", "a", "a", "b", "o"}));
  EXPECT_EQ(count(call.data, final_response_parameter(false)), 4u);
  EXPECT_EQ(count(call.data, final_response_parameter(true)), 1u);
}

TEST_F(GrpcDecoupled, ABareEndIsToldToWhoWantsIt) {  // G-26
  ClientCall& call = stream();
  Responder plain = ask(call, "p");
  Responder opted = ask(call, "q", kOptIn);
  plain.finish(nullptr);
  opted.finish(nullptr);
  end(call);
  EXPECT_EQ(call.status(), "0");
  EXPECT_EQ(ids(call.data), (std::vector<std::string>{"q"}));
  EXPECT_EQ(count(call.data, final_response_parameter(true)), 1u);
}

TEST_F(GrpcDecoupled, CompressedOnesKeepTheirOrder) {  // G-25, O-39
  options.compression = GrpcCompression::kGzip;
  ClientCall& call = stream({{"grpc-accept-encoding", "gzip"}});
  Responder responder = ask(call, "z");
  for (const std::size_t rows : {3000, 1, 200}) responder.send(fill(responder, 8 * rows));
  Response* wrong = fill(responder);
  wrong->status = internal_error("half");
  responder.send(wrong);
  responder.finish(fill(responder));
  end(call);
  EXPECT_EQ(call.status(), "0");
  EXPECT_EQ(call.fields["grpc-encoding"], "gzip");
  std::vector<std::size_t> sizes;  // of the messages; 0: not compressed
  for (std::size_t at = 0; at < call.data.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(call.data[at + i]); };
    const std::size_t size = std::size_t{byte(3)} << 8 | byte(4);
    sizes.push_back(byte(0) == 1 ? size : 0);
    at += kGrpcPrefixBytes + size;
  }
  ASSERT_EQ(sizes.size(), 5u);
  EXPECT_GT(sizes[0], sizes[2]);
  EXPECT_GE(sizes[2], sizes[1]);
  EXPECT_EQ(sizes[3], 0u);
  EXPECT_GT(sizes[4], 0u);
}

TEST_F(GrpcDecoupled, AnErrorIsAResponse) {  // G-25
  ClientCall& call = stream();
  Responder responder = ask(call, "e");
  Response* wrong = fill(responder);
  wrong->status = internal_error("half");
  responder.send(wrong);
  responder.finish(nullptr, internal_error("whole"));
  end(call);
  EXPECT_EQ(call.status(), "0");
  EXPECT_EQ(count(call.data, "half"), 1u);
  EXPECT_EQ(count(call.data, "whole"), 1u);
  EXPECT_EQ(count(call.data,
                  "\x0a\x01"
                  "d\x12\x01\x31\x1a\x01"
                  "e"),
            2u);  // model, version, id
  EXPECT_EQ(count(call.data, final_response_parameter(false)), 1u);
}

TEST_F(GrpcDecoupled, AStreamThatWantsTheStatusEndsWithTheFirstError) {  // G-25
  ClientCall& call = stream({{"triton_grpc_error", "true"}});
  Responder failing = ask(call, "f");
  Responder other = ask(call, "g");
  failing.finish(nullptr, invalid_arg("bad"));
  deliver();
  exchange();
  EXPECT_EQ(call.status() + call.fields["grpc-message"], "3bad");
  EXPECT_TRUE(other.cancelled());
  other.finish(nullptr);
}

TEST_F(GrpcDecoupled, TheClientOfOneResponseIsRefused) {  // G-22
  ClientCall& call = client.unary("ModelInfer", infer_request("d", "u"));
  run();
  EXPECT_EQ(call.status() + call.fields["grpc-message"],
            "12ModelInfer RPC doesn't support models with decoupled transaction policy");
}

TEST_F(GrpcDecoupled, AReaderThatStopsHoldsResponsesNotMemory) {
  client.reading = false;
  ClientCall& call = stream();
  Responder responder = ask(call, "s");
  // What the window lets pass leaves and is given back; then the bound holds.
  constexpr std::size_t kSize = 16384;
  std::size_t made = 0;
  std::thread model([&] {
    for (; made < 40; ++made) {
      Response* response = fill(responder, kSize);
      if (response == nullptr) break;
      responder.send(response);
    }
    responder.finish(nullptr, responder.cancelled() ? Status(Code::kCancelled, "") : Status());
  });
  receive(call, 65535);
  EXPECT_LE(engine.pool().stats().in_use_bytes, (kCapacity + 3) * 2 * kSize);
  client.reading = true;
  client.session.consume(call, call.data.size());
  receive(call, 40 * kSize);
  model.join();
  EXPECT_EQ(made, 40u);
  end(call);
  EXPECT_EQ(call.status(), "0");
  EXPECT_EQ(engine.pool().stats().in_use_bytes, 0u);
}

TEST_F(GrpcDecoupled, ACancelStopsAModelThatWaits) {  // G-27
  client.reading = false;
  ClientCall& call = stream();
  Responder responder = ask(call, "c");
  Code code = Code::kUnknown;
  std::thread model([&] {
    for (;;) {
      auto begun = responder.begin();
      if (!begun.ok()) {
        code = begun.status().code();
        return responder.finish(nullptr, begun.take_status());
      }
      responder.send(begun.value());
    }
  });
  client.session.reset(call, H2Error::kCancel);
  exchange();
  settle();
  model.join();
  settle();
  EXPECT_EQ(code, Code::kCancelled);
  EXPECT_EQ(connection->call_count(), 0u);
}

TEST_F(GrpcDecoupled, ResponsesToNobodyAreGivenBackAtOnce) {  // G-27
  ClientCall& call = stream();
  Responder responder = ask(call, "n");
  const std::size_t before = engine.pool().stats().in_use_bytes;
  for (std::uint32_t i = 0; i < kCapacity; ++i) responder.send(fill(responder));
  client.session.reset(call, H2Error::kCancel);
  exchange();
  EXPECT_TRUE(responder.cancelled());
  deliver();
  EXPECT_LE(engine.pool().stats().in_use_bytes, before);
  responder.finish(nullptr);
  settle();
}

}  // namespace
}  // namespace penstock::door::testing
