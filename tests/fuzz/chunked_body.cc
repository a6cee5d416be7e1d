// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A chunked body: the same payload, end and error however it is cut, and a payload that is chunked
// anew is read as the same payload.
#include "door/chunked_body.h"

#include <charconv>
#include <string>

#include "pieces.h"
#include "promise.h"

namespace penstock::fuzz {
namespace {

using Step = door::ChunkedDecoder::Step;
constexpr std::uint64_t kMaxChunks = 8;

struct Body {
  std::string payload;
  std::size_t used = 0;  // bytes that belong to the body
  int error = 0;
  bool done = false;
  friend bool operator==(const Body&, const Body&) = default;
};

Body read(std::string_view bytes, Cut cut, std::uint64_t max_chunks = kMaxChunks) {
  door::ChunkedDecoder decoder(max_chunks);
  Body body;
  for_each_piece(bytes, cut, [&](std::string_view piece) {
    while (!body.done && body.error == 0) {
      const std::size_t before = piece.size();
      std::string_view payload;
      const Step step = decoder.step(piece, payload);
      body.used += before - piece.size();
      if (step == Step::kPayload) {
        require(!payload.empty(), "a payload has bytes");
        body.payload.append(payload);
      }
      if (step == Step::kError) body.error = decoder.error().status;
      if (step == Step::kDone) body.done = true;
      if (step == Step::kMore) {
        require(piece.empty(), "all is taken when more is wanted");
        return;
      }
    }
  });
  require(body.error == 0 || body.error == 400 || body.error == 431, "a client's error");
  require(body.payload.size() <= body.used, "a payload is part of the input");
  return body;
}

void require_same_when_chunked_anew(const std::string& payload) {
  std::string text;
  for_each_piece(payload, Cut::kAnywhere, [&](std::string_view piece) {
    char digits[16];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, piece.size(), 16).ptr);
    text.append("\r\n").append(piece).append("\r\n");
  });
  const Body again = read(text + "0\r\n\r\n", Cut::kWhole, payload.size() + 1);
  require(again.done && again.payload == payload, "a payload chunked anew is the same payload");
}

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  const std::string_view bytes = text_of(data, size);
  const Body body = read(bytes, Cut::kWhole);
  require(read(bytes, Cut::kSingleBytes) == body, "byte by byte it is the same body");
  require(read(bytes, Cut::kAnywhere) == body, "cut anywhere it is the same body");
  if (body.done) require_same_when_chunked_anew(body.payload);
  return 0;
}
