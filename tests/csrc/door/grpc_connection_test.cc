// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_connection.h"

#include <malloc.h>

#include "grpc_fixture.h"

namespace penstock::door::testing {
namespace {

using namespace std::literals;

TEST_F(GrpcFixture, AUnaryInference) {  // G-6
  ClientCall& call = client.unary("ModelInfer", infer_request("m", "x7"));
  run();
  EXPECT_EQ(call.fields[":status"], "200");
  EXPECT_EQ(call.fields["content-type"], "application/grpc");
  EXPECT_EQ(call.status(), "0");
  ASSERT_GT(call.data.size(), 13u);
  EXPECT_EQ(static_cast<std::size_t>(call.data[4]) + 5, call.data.size());
  EXPECT_NE(call.data.find("\x1a\x02x7"), std::string::npos);
  EXPECT_EQ(call.data.substr(call.data.size() - 8), "\x00\x00\x80\x3f\x00\x00\x00\x40"sv);
  EXPECT_TRUE(call.closed);
  EXPECT_EQ(connection->call_count(), 0u);
}

TEST_F(GrpcFixture, ManyAtATime) {
  for (int i = 0; i < 200; ++i) client.unary("ModelInfer", infer_request("m"));
  run();
  for (const auto& call : client.calls) EXPECT_EQ(call->status(), "0");
  EXPECT_EQ(counters.inferences.get(), 200u);
  EXPECT_EQ(counters.requests_begun.get(), counters.requests_ended.get());
}

// nghttp2 sizes a buffer that it keeps by the frame that it is told to expect.
TEST_F(GrpcFixture, SmallAnswersToAPeerOfLargeFramesTakeLittleMemory) {
  run();  // the settings, which say that large frames are welcome
  const std::size_t before = mallinfo2().uordblks;
  ClientCall& call = client.unary("ModelInfer", infer_request("m"));
  run();
  EXPECT_EQ(call.status(), "0");
  EXPECT_LT(mallinfo2().uordblks, before + (64 << 10));  // of both ends
}

TEST_F(GrpcFixture, ErrorsHaveCodeAndText) {  // contract 1.0
  ClientCall& unknown = client.unary("ModelInfer", infer_request("no"));
  ClientCall& garbage = client.unary("ModelInfer", "\xff\xff");
  ClientCall& empty = client.start("ModelInfer", {}, true);
  ClientCall& cut = client.start("ModelInfer");
  client.send(cut, framed("abc").substr(0, 6), true);
  run();
  EXPECT_EQ(unknown.status(), "3");
  EXPECT_EQ(unknown.fields["grpc-message"], "Request for unknown model: 'no' is not found");
  EXPECT_TRUE(unknown.data.empty());
  EXPECT_EQ(garbage.status(), "3");
  EXPECT_EQ(empty.status(), "3");
  EXPECT_EQ(cut.status(), "3");
}

TEST_F(GrpcFixture, NotReadyNotStarted) {  // G-2, G-3, H-24
  state.started = state.ready = false;
  ClientCall& infer = client.unary("ModelInfer", infer_request("m"));
  ClientCall& live = client.unary("ServerLive", "");
  ClientCall& ready = client.unary("ServerReady", "");
  ClientCall& model_ready = client.unary("ModelReady", "\x0a\x01m");
  run();
  EXPECT_EQ(infer.status() + infer.fields["grpc-message"], "14Server not ready");
  EXPECT_EQ(live.data, framed("\x08\x01"));
  EXPECT_EQ(ready.data, framed(""));
  EXPECT_EQ(ready.status(), "0");
  EXPECT_EQ(model_ready.status() + model_ready.fields["grpc-message"], "14Server not ready");
}

TEST_F(GrpcFixture, ControlCalls) {  // G-1..G-3
  ClientCall& ready = client.unary("ServerReady", "");
  ClientCall& model_ready = client.unary("ModelReady", "\x0a\x01m\x12\x01\x31");
  ClientCall& bad_version = client.unary("ModelReady", "\x0a\x01m\x12\x01x");
  ClientCall& bad = client.unary("ServerLive", "\x0a\x05");
  ClientCall& health = client.unary("", "", {{":path", "/grpc.health.v1.Health/Check"}});
  run();
  EXPECT_EQ(ready.data, framed("\x08\x01"));
  EXPECT_EQ(model_ready.data, framed("\x08\x01"));
  EXPECT_EQ(bad_version.status(), "3");
  EXPECT_EQ(bad.fields["grpc-message"], "failed to parse the ServerLiveRequest message");
  EXPECT_EQ(health.data, framed("\x08\x01"));
}

TEST_F(GrpcFixture, WhatIsNoCallIsRefused) {  // A6
  ClientCall& get = client.start("ModelInfer", {{":method", "GET"}}, true);
  ClientCall& type = client.start("ModelInfer", {{"content-type", "text/plain"}}, true);
  ClientCall& timeout = client.unary("ModelInfer", infer_request("m"), {{"grpc-timeout", "-1S"}});
  ClientCall& coding = client.unary("ModelInfer", infer_request("m"), {{"grpc-encoding", "br"}});
  ClientCall& unknown = client.unary("Nothing", "");
  ClientCall& flags = client.start("ModelInfer");
  client.send(flags, "\x07\0\0\0\0"sv, true);
  ClientCall& liar = client.start("ModelInfer");
  client.send(liar, framed("", true).substr(0, 5), true);
  run();
  EXPECT_EQ(get.fields[":status"], "405");
  EXPECT_EQ(type.fields[":status"], "415");
  EXPECT_EQ(timeout.status(), "3");
  EXPECT_EQ(coding.status(), "12");
  EXPECT_EQ(coding.fields["grpc-accept-encoding"], "identity, deflate, gzip");
  EXPECT_EQ(unknown.status(), "12");
  EXPECT_EQ(flags.status(), "3");
  EXPECT_EQ(liar.status(), "13");
}

TEST_F(GrpcFixture, MessagesThatAreTooLarge) {  // G-24, B3
  options.limits.max_message_bytes = 100;
  ClientCall& large = client.start("ModelInfer");
  client.send(large, "\0\0\0\0\x65"sv, false);  // 101, and the message never comes
  run();
  EXPECT_EQ(large.status(), "8");
  EXPECT_TRUE(large.closed);
}

TEST_F(GrpcFixture, TooManyBytesInFlight) {  // B4
  ASSERT_TRUE(budget.try_take(64 << 20));
  ClientCall& call = client.unary("ModelInfer", infer_request("m"));
  run();
  EXPECT_EQ(call.status(), "14");
  budget.give_back(64 << 20);
}

std::string deflated(std::string_view text, Encoding encoding) {
  std::string out;
  const std::array<ByteSpan, 1> segments{bytes_of(text)};
  Deflater deflater(segments, encoding);
  while (!deflater.step(out)) {
  }
  return out;
}

TEST_F(GrpcFixture, CompressedRequests) {
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kDeflate}) {
    const std::string message = deflated(infer_request("m"), encoding);
    ClientCall& call = client.start("ModelInfer", {{"grpc-encoding", encoding_name(encoding)}});
    client.send(call, framed(message, true), true);
    ClientCall& cut = client.start("ModelInfer", {{"grpc-encoding", encoding_name(encoding)}});
    client.send(cut, framed(message.substr(0, 20), true), true);
    run();
    EXPECT_EQ(call.status(), "0") << call.fields["grpc-message"];
    EXPECT_EQ(cut.status(), "3");
  }
}

TEST_F(GrpcFixture, ADecompressionBombIsCut) {  // B5
  options.limits.max_message_bytes = 1 << 20;
  const std::string bomb = deflated(std::string(8 << 20, '\0'), Encoding::kGzip);
  ClientCall& call = client.start("ModelInfer", {{"grpc-encoding", "gzip"}});
  client.send(call, framed(bomb, true), true);
  run();
  EXPECT_EQ(call.status(), "8");
}

TEST_F(GrpcFixture, CompressedResponses) {  // O-39
  options.compression = GrpcCompression::kGzip;
  ClientCall& plain = client.unary("ModelInfer", infer_request("m"));
  ClientCall& gzip =
      client.unary("ModelInfer", infer_request("m"), {{"grpc-accept-encoding", "gzip"}});
  run();
  EXPECT_EQ(plain.data[0], 0);
  EXPECT_EQ(gzip.fields["grpc-encoding"], "gzip");
  EXPECT_EQ(gzip.status(), "0");
  EXPECT_EQ(gzip.data.substr(0, 7), "\1\0\0\0"s + gzip.data[4] + "\x1f\x8b");
}

TEST_F(GrpcFixture, AStreamIsAnsweredInOrder) {  // G-7, G-25..G-27
  ClientCall& call = client.start("ModelStreamInfer");
  std::string all;
  for (const char* id : {"1", "2", "3"}) all += framed(infer_request("m", id));
  all += framed(infer_request("nope", "4")) + framed("\xff") + framed(infer_request("m", "5"));
  client.send(call, all.substr(0, 40), false);
  exchange();
  client.send(call, all.substr(40), true);
  run();
  EXPECT_EQ(call.status(), "0");
  std::size_t at = 0;
  for (const char* id :
       {"\x1a\x01\x31", "\x1a\x01\x32", "\x1a\x01\x33", "'nope'", "malformed", "\x1a\x01\x35"}) {
    at = call.data.find(id, at);
    ASSERT_NE(at, std::string::npos) << id;
  }
}

TEST_F(GrpcFixture, AStreamThatWantsTheStatus) {  // G-25
  ClientCall& call = client.start("ModelStreamInfer", {{"triton_grpc_error", "true"}});
  client.send(call, framed(infer_request("m")) + framed(infer_request("no")), false);
  run();
  EXPECT_EQ(call.status(), "3");
  EXPECT_TRUE(call.closed);
}

TEST_F(GrpcFixture, AStreamWithNothing) {
  ClientCall& call = client.start("ModelStreamInfer", {}, true);
  run();
  EXPECT_EQ(call.status(), "0");
}

TEST_F(GrpcFixture, AResetCancelsTheRequest) {  // G-28
  GatedEcho::set(false);
  ClientCall& first = client.unary("ModelInfer", infer_request("m"));
  exchange();
  while (model->statistics().pending > 0) std::this_thread::yield();
  ClientCall& second = client.unary("ModelInfer", infer_request("m"));
  exchange();
  client.session.reset(second, H2Error::kCancel);
  client.session.reset(first, H2Error::kCancel);
  exchange();
  EXPECT_EQ(connection->call_count(), 0u);
  GatedEcho::set(true);
  settle();
  const auto cancelled = static_cast<std::size_t>(FailureReason::kCanceled);
  EXPECT_EQ(model->statistics().failures[cancelled], 1u);
}

TEST_F(GrpcFixture, ADeadlineEndsTheCall) {  // G-28
  GatedEcho::set(false);
  ClientCall& call = client.unary("ModelInfer", infer_request("m"), {{"grpc-timeout", "0n"}});
  exchange();
  EXPECT_LE(connection->next_tick(), loop.now_ns() + 1);
  EXPECT_TRUE(connection->tick());
  exchange();
  EXPECT_EQ(call.status(), "4");  // in the door's words, or the core's: whoever sees it first
}

TEST_F(GrpcFixture, AConnectionThatGoesCancelsEverything) {  // B9
  GatedEcho::set(false);
  for (int i = 0; i < 32; ++i) client.unary("ModelInfer", infer_request("m"));
  ClientCall& stream = client.start("ModelStreamInfer");
  client.send(stream, framed(infer_request("m")) + framed(infer_request("m")), false);
  exchange();
  EXPECT_EQ(connection->call_count(), 33u);
  connection->abandon();
  abandoned = true;
  EXPECT_EQ(connection->call_count(), 0u);
  EXPECT_GT(engine.in_flight(), 0u);
  GatedEcho::set(true);
  settle();
}

TEST_F(GrpcFixture, ADrainRefusesCallsAndEndsIdleStreams) {  // G-29
  ClientCall& idle = client.start("ModelStreamInfer");
  client.send(idle, framed(infer_request("m")), false);
  GatedEcho::set(false);
  ClientCall& busy = client.unary("ModelInfer", infer_request("m"));
  exchange();
  state.refusing = true;
  connection->drain();
  ClientCall& late = client.unary("ModelInfer", infer_request("m"));
  exchange();
  EXPECT_TRUE(client.goaway);
  EXPECT_FALSE(connection->over());
  const std::string text = "GRPC server is shutting down and has stopped accepting new requests.";
  if (late.fields.contains("grpc-status")) {
    EXPECT_EQ(late.status() + late.fields["grpc-message"], "14" + text);
  }
  GatedEcho::set(true);
  settle();
  EXPECT_EQ(busy.status(), "0");
  EXPECT_EQ(idle.status() + idle.fields["grpc-message"], "14" + text);
  EXPECT_TRUE(connection->over());
}

TEST_F(GrpcFixture, AClientThatDoesNotReadIsNotReadEither) {
  client.reading = false;
  ClientCall& call = client.start("ModelStreamInfer");
  std::string many;
  for (int i = 0; i < 2000; ++i) many += framed(infer_request("m"));
  for (int i = 0; i < 60; ++i) client.send(call, many, false);
  GatedEcho::set(false);
  exchange();
  EXPECT_LE(engine.in_flight(), 300u);
  GatedEcho::set(true);
}

}  // namespace
}  // namespace penstock::door::testing
