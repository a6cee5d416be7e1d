// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Messages that are read to where they belong: whatever is foreseen, and wherever a read ends, the
// connection sees the bytes of the wire.
#include <cstring>

#include "door/h2_landing.h"
#include "grpc_fixture.h"

namespace penstock::door::testing {
namespace {

using namespace std::literals;

constexpr std::size_t kFrame = 4096;

std::string frame(std::size_t size, char type, char flags, std::uint32_t stream) {
  const auto byte = [](std::size_t value) { return static_cast<char>(value); };
  return {byte(size >> 16),   byte(size >> 8),    byte(size),        type,        flags,
          byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)};
}

std::string data(std::string_view payload, std::uint32_t stream, bool end = false) {
  return frame(payload.size(), 0, end ? 1 : 0, stream) + std::string(payload);
}

const std::string kPing = frame(8, 6, 0, 0) + "12345678";

// No two stretches of it are alike.
std::string text(std::size_t size, unsigned seed) {
  std::string out;
  while (out.size() < size) out += std::to_string(seed = seed * 1103515245 + 12345);
  return out.substr(0, size);
}

// ModelInferRequest whose id fills the message; the response has the id.
std::string request(std::string_view id) {
  const std::string small = infer_request("m");
  std::string length;
  for (std::size_t left = id.size(); left > 0; left >>= 7) {
    length.push_back(static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
  }
  return framed(small.substr(0, 3) + "\x1a" + length + std::string(id) + small.substr(3));
}

class Landing : public GrpcFixture {
 protected:
  // The head of a call; its DATA frames are written by the test.
  ClientCall& open() {
    ClientCall& call = client.start("ModelInfer");
    exchange();
    return call;
  }
  // Reads of at most `most` bytes, the first of `first`.
  void feed(std::string_view wire, std::size_t first, std::size_t most) {
    std::size_t limit = first;
    while (!wire.empty()) {
      const H2Expected expected = connection->expected();
      const std::size_t got = fill(landing.plan(expected), wire.substr(0, limit));
      ASSERT_GT(got, 0u);
      std::string seen;
      for (const ByteSpan piece : landing.land(got)) {
        seen.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        in_place += inside(piece, expected.room) ? piece.size() : 0;
        ASSERT_TRUE(connection->receive(piece));
      }
      ASSERT_EQ(seen, wire.substr(0, got));
      wire.remove_prefix(got);
      limit = most;
    }
  }
  static std::size_t fill(std::span<iovec> places, std::string_view bytes) {
    std::size_t done = 0;
    for (const iovec& place : places) {
      const std::string_view part = bytes.substr(done, place.iov_len);
      if (!part.empty()) std::memcpy(place.iov_base, part.data(), part.size());
      done += part.size();
    }
    return done;
  }
  static bool inside(ByteSpan piece, std::span<std::byte> room) {
    return !room.empty() && piece.data() >= room.data() && piece.data() < room.data() + room.size();
  }
  void expect_echo(ClientCall& call, std::string_view id) {
    settle();
    EXPECT_EQ(call.status(), "0");
    EXPECT_TRUE(call.data.find(id) != std::string::npos);
    client.session.reset(call, H2Error::kNone);  // it does not know that its half is closed
    exchange();
  }

  H2Landing landing;
  std::size_t in_place = 0;
};

// The message in frames of `size`, the last one shorter.
std::string frames(std::string_view message, std::size_t size, std::uint32_t stream) {
  std::string out;
  while (!message.empty()) {
    const std::string_view part = message.substr(0, size);
    message.remove_prefix(part.size());
    out += data(part, stream, message.empty());
  }
  return out;
}

TEST_F(Landing, AMessageIsReadToItsPlace) {
  ClientCall& call = open();
  const std::string id = text(600'000, 1);
  const std::string wire = frames(request(id), 16384, 1);
  feed(wire, H2Landing::kScratchBytes, wire.size());
  EXPECT_GT(in_place, wire.size() - H2Landing::kScratchBytes - 1024);
  expect_echo(call, id);
}

TEST_F(Landing, AFrameMayBeLargerThanARead) {
  ClientCall& call = open();
  const std::string id = text(1'000'000, 2);
  const std::string wire = frames(request(id), 1 << 20, 1);
  feed(wire, 1000, 70'000);
  EXPECT_GT(in_place, wire.size() - 1024);
  expect_echo(call, id);
}

TEST_F(Landing, MoreThanOneReadMayForesee) {
  ClientCall& call = open();
  const std::string id = text(3'000'000, 3);
  const std::string wire = frames(request(id), 16384, 1);
  feed(wire, H2Landing::kScratchBytes, wire.size());
  EXPECT_GT(in_place, wire.size() - H2Landing::kScratchBytes - 4096);
  expect_echo(call, id);
}

TEST_F(Landing, AReadMayEndAnywhere) {
  const std::string id = text(4 * kFrame, 4);
  const std::string message = request(id);
  const std::size_t start = 2 * kFrame + 40;  // of the reads in question: frames repeat by then
  const std::size_t size = frames(message, kFrame, 1).size();
  for (std::size_t end = start + 1; end <= size; end += end % 64 < 32 ? 1 : 41) {
    ClientCall& call = open();
    const auto stream = static_cast<std::uint32_t>(call.id());
    const std::string wire = frames(message, kFrame, stream);
    feed(std::string_view(wire).substr(0, start), start, start);
    feed(std::string_view(wire).substr(start), end - start, wire.size());
    if (HasFatalFailure()) FAIL() << end;
    expect_echo(call, id);
  }
}

TEST_F(Landing, SmallReads) {
  for (const std::size_t most : {1u, 8u, 9u, 10u, 4095u, 4105u}) {
    ClientCall& call = open();
    const std::string id = text(3 * kFrame, 5);
    feed(frames(request(id), kFrame, static_cast<std::uint32_t>(call.id())), most, most);
    expect_echo(call, id);
  }
}

// After two frames that are alike, what comes is not what they let foresee.
TEST_F(Landing, WhatComesOtherwise) {
  const std::string id = text(12 * kFrame, 6);
  const std::string message = request(id);
  const std::string padded_tail = "\0\0\0"s;
  for (int kind = 0; kind < 6; ++kind) {
    ClientCall& other = open();
    ClientCall& call = open();
    const auto stream = static_cast<std::uint32_t>(call.id());
    const auto aside = static_cast<std::uint32_t>(other.id());
    std::string_view rest = message;
    const auto take = [&rest](std::size_t size) {
      const std::string_view part = rest.substr(0, size);
      rest.remove_prefix(part.size());
      return part;
    };
    std::string wire;
    for (int i = 0; i < 3; ++i) wire += data(take(kFrame), stream);
    const std::size_t first = wire.size() - 100;
    wire += data(take(kFrame), stream);
    if (kind == 0) wire += kPing;
    if (kind == 1) wire += data(take(kFrame - 1), stream);
    if (kind == 2) wire += data(take(2 * kFrame), stream);
    if (kind == 3) wire += data(text(kFrame - 5, 7).insert(0, "\0\0\x10\0\0"sv), aside);
    if (kind == 4) {  // padded, and as large as the others
      wire += frame(kFrame, 0, 8, stream) + "\3" + std::string(take(kFrame - 4)) + padded_tail;
    }
    if (kind == 5) wire += frame(kFrame, 0x55, 0, stream) + text(kFrame, 8);  // an unknown kind
    while (rest.size() > kFrame) wire += data(take(kFrame), stream);
    wire += data(take(kFrame), stream, true);
    feed(wire, first, wire.size());
    if (HasFatalFailure()) FAIL() << kind;
    expect_echo(call, id);
    client.session.reset(other, H2Error::kCancel);
    exchange();
  }
}

TEST_F(Landing, ACallThatEndsBetweenPlanAndRead) {
  ClientCall& call = client.start("ModelInfer", {{"grpc-timeout", "0n"}});
  exchange();
  const std::string wire = frames(request(text(200'000, 9)), 16384, 1);
  feed(std::string_view(wire).substr(0, 50'000), 50'000, 1);
  const H2Expected expected = connection->expected();
  ASSERT_FALSE(expected.room.empty());
  const std::size_t got = fill(landing.plan(expected), std::string_view(wire).substr(50'000));
  ASSERT_TRUE(connection->tick());
  EXPECT_TRUE(connection->expected().room.empty());
  for (const ByteSpan piece : landing.land(got)) ASSERT_TRUE(connection->receive(piece));
  exchange();
  EXPECT_EQ(call.status(), "4");
  EXPECT_EQ(connection->call_count(), 0u);
}

TEST_F(Landing, WhatIsNotCollectedHasNoPlace) {
  open();
  feed(data("\0\0\0"sv, 1), 100, 100);
  EXPECT_TRUE(connection->expected().room.empty());  // half a prefix
  const std::string wire = data("\x20\0"s + std::string(kFrame, 'x'), 1);
  feed(std::string_view(wire).substr(0, 100), 100, 100);
  EXPECT_FALSE(connection->expected().room.empty());
  connection->end();
  connection->abandon();
  EXPECT_TRUE(connection->expected().room.empty());
}

}  // namespace
}  // namespace penstock::door::testing
