// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A gRPC client's bytes out of a few choices: what no mutation of raw bytes would come to, for a
// header block depends on all that came before it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "door/grpc_framing.h"
#include "door/h2_fields.h"
#include "promise.h"

namespace penstock::fuzz {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// SETTINGS with nothing in it.
inline constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);
// ModelInferRequest of model "m" with input IN: two FP32 values, one row.
inline constexpr std::string_view kInferRequest(
    "\x0a\x01m*\x0e\x0a\x02IN\x12\x04"
    "FP32\x1a\x02\x01\x02:\x08\0\0\x80?\0\0\0@",
    29);

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload) {
  std::string out;
  for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(payload.size() >> shift));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(stream >> shift));
  return out.append(payload);
}

// Each step is a byte that says what comes: HEADERS of a call, a message, a frame of any kind; and
// the bytes that say which.
class Script {
 public:
  explicit Script(std::string_view choices) : left_(choices) {
    if (nghttp2_hd_deflate_new(&deflater_, 4096) != 0) throw std::bad_alloc();
  }
  ~Script() { nghttp2_hd_deflate_del(deflater_); }
  std::string bytes() {
    std::string out = std::string(kPreface).append(kSettings);
    while (!left_.empty()) out.append(step());
    return out;
  }

 private:
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return value;
  }
  std::string_view text() {
    const std::size_t wanted = byte();
    const std::string_view taken = left_.substr(0, wanted);
    left_.remove_prefix(taken.size());
    return taken;
  }
  std::uint32_t stream() { return 2 * (byte() % 8) + 1; }

  std::string step() {
    switch (byte() % 6) {
      case 0:
        return headers();
      case 1: {  // a whole message
        const std::uint8_t flags = byte();
        return message(flags, text());
      }
      case 2:  // one that the model takes
        return message(byte() & 1, kInferRequest);
      case 3: {  // part of a message, or more than one
        const std::uint8_t flags = byte() & 1;
        const std::uint32_t id = stream();
        return frame(NGHTTP2_DATA, flags, id, text());
      }
      case 4: {  // RST_STREAM, WINDOW_UPDATE, PING, SETTINGS, GOAWAY
        const std::uint8_t type = byte() % 5;
        constexpr std::array<std::uint8_t, 5> kTypes{NGHTTP2_RST_STREAM, NGHTTP2_WINDOW_UPDATE,
                                                     NGHTTP2_PING, NGHTTP2_SETTINGS,
                                                     NGHTTP2_GOAWAY};
        const bool of_stream = type == 0 || (type == 1 && (byte() & 1) != 0);
        const std::uint32_t id = of_stream ? stream() : 0;
        return frame(kTypes[type], 0, id, text());
      }
      default: {
        const std::uint8_t type = byte();
        const std::uint8_t flags = byte();
        const std::uint8_t id = byte();
        return frame(type, flags, id, text());
      }
    }
  }
  std::string message(std::uint8_t flags, std::string_view text) {
    const std::uint32_t id = stream();
    const auto prefix = door::grpc_prefix((flags & 2) != 0, text.size());
    std::string data(reinterpret_cast<const char*>(prefix.data()), prefix.size());
    return frame(NGHTTP2_DATA, flags & 1, id, data.append(text));
  }
  std::string headers() {
    constexpr std::array<std::string_view, 8> kPaths{
        "/inference.GRPCInferenceService/ModelInfer",
        "/inference.GRPCInferenceService/ModelStreamInfer",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
        "/inference.GRPCInferenceService/ModelReady",
        "/grpc.health.v1.Health/Check",
        "/inference.GRPCInferenceService/ServerMetadata",
        "/"};
    const std::uint32_t id = stream();
    const std::uint8_t flags = byte();
    const std::uint8_t more = byte();
    std::vector<door::H2Field> fields{{":method", (more & 1) != 0 ? "GET" : "POST"},
                                      {":scheme", "http"},
                                      {":path", kPaths[byte() % kPaths.size()]},
                                      {":authority", "x"}};
    if ((more & 2) == 0) fields.push_back({"content-type", "application/grpc"});
    if ((more & 4) != 0) fields.push_back({"grpc-encoding", "gzip"});
    if ((more & 8) != 0) fields.push_back({"grpc-accept-encoding", "identity,gzip"});
    if ((more & 16) != 0) fields.push_back({"grpc-timeout", text()});
    if ((more & 32) != 0) fields.push_back({"triton_grpc_error", "true"});
    if ((more & 64) != 0) fields.push_back({"grpc-encoding", text()});
    if ((more & 128) != 0) fields.push_back({text(), text()});
    return frame(NGHTTP2_HEADERS, (flags & 1) | NGHTTP2_FLAG_END_HEADERS, id, block(fields));
  }
  std::string block(const std::vector<door::H2Field>& fields) {
    std::vector<nghttp2_nv> pairs;
    const auto raw = [](std::string_view text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    for (const door::H2Field& field : fields) {
      pairs.push_back({raw(field.name), raw(field.value), field.name.size(), field.value.size(),
                       NGHTTP2_NV_FLAG_NONE});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_, pairs.data(), pairs.size()), '\0');
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(out.data()), out.size(),
                              pairs.data(), pairs.size());
    require(size >= 0, "a header block is made");
    out.resize(static_cast<std::size_t>(size));
    return out;
  }

  std::string_view left_;
  nghttp2_hd_deflater* deflater_ = nullptr;
};

}  // namespace penstock::fuzz
