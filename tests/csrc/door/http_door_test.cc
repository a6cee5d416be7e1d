// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The native HTTP door as a client sees it.
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "door/http_fixture.h"

namespace penstock::door::testing {
namespace {

std::string chunked(const std::string& body, std::size_t size) {
  std::string text;
  char digits[32];
  for (std::size_t at = 0; at < body.size(); at += size) {
    const std::string part = body.substr(at, size);
    std::snprintf(digits, sizeof digits, "%zx\r\n", part.size());
    text += digits + part + "\r\n";
  }
  return text + "0\r\n\r\n";
}

std::string gzipped(const std::string& plain) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string gunzipped(const std::string& packed, std::size_t room) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 47), Z_OK);
  std::string out(room, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST_F(HttpDoorTest, AnswersABinaryInference) {
  open();
  const HttpReply reply = ask(infer(4));
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.has("Content-Type: application/octet-stream\r\n"));
  EXPECT_TRUE(reply.has("Inference-Header-Content-Length: "));
  EXPECT_FALSE(reply.has("Connection:"));
  EXPECT_TRUE(reply.body.ends_with(floats(4)));
  EXPECT_TRUE(reply.body.starts_with(R"({"model_name":"m")"));
}

TEST_F(HttpDoorTest, AnswersBodiesOfEverySizeOnOneConnection) {
  open();
  Client client(path());
  for (const std::size_t count : {1, 100, 3000, 4000, 4070, 4100, 8000, 20'000, 600'000}) {
    std::thread sender([&] { client.send(infer(count)); });
    const HttpReply reply = client.read();
    sender.join();
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_TRUE(reply.body.ends_with(floats(count)));
  }
  EXPECT_EQ(door_->counters().inferences, 9u);
  EXPECT_TRUE(eventually([&] { return door_->counters().in_flight_bytes == 0; }));
}

TEST_F(HttpDoorTest, TakesARequestByteByByte) {
  open();
  Client client(path());
  const std::string text = infer(4);
  for (const char c : text) client.send({&c, 1});
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(HttpDoorTest, AnswersAheadSentRequestsInOrder) {
  open();
  Client client(path());
  std::string text;
  for (std::size_t i = 1; i <= 200; ++i) {
    text += i % 3 == 0 ? "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n" : infer(i);
  }
  std::thread sender([&] { client.send(text); });
  for (std::size_t i = 1; i <= 200; ++i) {
    const HttpReply reply = client.read();
    ASSERT_EQ(reply.status, 200);
    if (i % 3 == 0) {
      EXPECT_TRUE(reply.body.empty());
    } else {
      EXPECT_TRUE(reply.body.ends_with("}" + floats(i)));
    }
  }
  sender.join();
}

TEST_F(HttpDoorTest, TakesChunkedBodies) {
  open();
  const std::string json = infer_json(9000);
  const std::string head =
      "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\nInference-Header-Content-Length: " +
      std::to_string(json.size()) + "\r\n\r\n";
  for (const std::size_t size : {7, 5000, 1'000'000}) {
    const HttpReply reply = ask(head + chunked(json + floats(9000), size));
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_TRUE(reply.body.ends_with(floats(9000)));
  }
}

TEST_F(HttpDoorTest, UnpacksAndPacks) {
  open();
  for (const std::size_t count : {4, 300'000}) {
    const std::string json = infer_json(count);
    const std::string fields =
        "Content-Encoding: gzip\r\nAccept-Encoding: deflate\r\n"
        "Inference-Header-Content-Length: " +
        std::to_string(json.size()) + "\r\n";
    const HttpReply reply = ask(post(fields, gzipped(json + floats(count))));
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_TRUE(reply.has("Content-Encoding: deflate\r\n"));
    EXPECT_TRUE(gunzipped(reply.body, 2'000'000).ends_with(floats(count)));
  }
  EXPECT_TRUE(eventually([&] { return door_->counters().in_flight_bytes == 0; }));
}

TEST_F(HttpDoorTest, RefusesWhatUnpacksToTooMuch) {  // H-25, B5
  HttpDoorLimits limits;
  limits.max_input_bytes = 1 << 20;
  open(limits);
  const std::string bomb = gzipped(std::string((1 << 20) + 1, '\0'));
  const HttpReply reply = ask(post("Content-Encoding: gzip\r\n", bomb));
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("exceeds the maximum allowed value of 1048576 bytes"),
            std::string::npos);
  EXPECT_EQ(ask(post("Content-Encoding: gzip\r\n", "")).status, 400);
  EXPECT_EQ(ask(post("Content-Encoding: gzip\r\n", bomb.substr(0, 500))).status, 400);
  EXPECT_EQ(ask(post("Content-Encoding: gzip\r\n", gzipped("{}") + "more")).status, 400);
  EXPECT_TRUE(eventually([&] { return door_->counters().in_flight_bytes == 0; }));
}

TEST_F(HttpDoorTest, SaysContinueWhenItIsExpected) {
  open();
  Client client(path());
  const std::string text = infer(4, "Expect: 100-continue\r\n");
  const std::size_t body = text.find("\r\n\r\n") + 4;
  client.send(text.substr(0, body));
  EXPECT_EQ(client.read().status, 100);
  client.send(text.substr(body));
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(ask(infer(4, "Expect: tea\r\n")).status, 417);
}

TEST_F(HttpDoorTest, KeepsTheConnectionAfterAClientsMistake) {
  open();
  Client client(path());
  client.send(post("", "{}"));
  EXPECT_EQ(client.read().status, 400);
  client.send(post("", "{}", "/v2/models/unknown/infer"));
  EXPECT_EQ(client.read().status, 400);
  client.send(post("Content-Encoding: br\r\n", std::string(20'000, 'x')));
  const HttpReply reply = client.read();
  EXPECT_EQ(reply.status, 501);
  EXPECT_TRUE(reply.has("Accept-Encoding: gzip, deflate\r\n"));
  client.send(infer(4));
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(HttpDoorTest, ClosesAfterWhatItDoesNotUnderstand) {
  open();
  Client client(path());
  client.send("GET /v2 HTTP/1.1\r\nHost : x\r\n\r\n" + infer(4));
  const HttpReply reply = client.read();
  EXPECT_EQ(reply.status, 400);
  EXPECT_TRUE(reply.has("Connection: close\r\n"));
  EXPECT_TRUE(client.at_end());  // the second request is not answered
}

TEST_F(HttpDoorTest, SaysHowTheServerIs) {  // H-2, H-3, H-4, H-24
  HttpDoor& door = open();
  const auto get = [&](const std::string& what) {
    return ask("GET /v2/" + what + " HTTP/1.1\r\nHost: x\r\n\r\n");
  };
  door.set_state(false, false, false);
  EXPECT_EQ(get("health/live").status, 200);
  EXPECT_EQ(get("health/ready").status, 400);
  EXPECT_EQ(get("models/m/ready").body, R"({"error":"Server not ready"})");
  EXPECT_EQ(ask(infer(4)).status, 503);
  door.set_state(true, true, false);
  EXPECT_EQ(get("health/ready").head, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(get("models/m/ready").status, 200);
  EXPECT_EQ(get("models/m/versions/7/ready").status, 404);
  EXPECT_EQ(get("models/unknown/ready").status, 400);
  door.set_state(true, false, true);
  EXPECT_EQ(get("health/live").body, R"({"error":"Server exiting"})");
  EXPECT_TRUE(get("health/ready").has("Connection: close\r\n"));
  EXPECT_EQ(get("models/m/ready").status, 503);
}

TEST_F(HttpDoorTest, AnswersHttp10) {
  open();
  const HttpReply closed = ask("GET /v2/health/live HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(closed.has("Connection: close\r\n"));
  Client client(path());
  for (int i = 0; i < 2; ++i) {
    client.send("GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_TRUE(client.read().has("Connection: keep-alive\r\n"));
  }
}

TEST_F(HttpDoorTest, DrainsAndStops) {  // H-28
  HttpDoor& door = open();
  gate_.shut();
  Client client(path());
  client.send(infer(4));
  gate_.await_waiting();
  door.set_state(true, false, true);
  door.stop_accepting();
  EXPECT_FALSE(door.drain(1'000'000));
  gate_.open();
  EXPECT_TRUE(door.drain(20'000'000'000));
  const HttpReply reply = client.read();
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.has("Connection: close\r\n"));
  door.stop(1'000'000'000);
  EXPECT_EQ(door.counters().connections_opened, door.counters().connections_closed);
}

}  // namespace
}  // namespace penstock::door::testing
