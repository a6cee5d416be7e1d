// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/chunked_body.h"

#include <algorithm>

namespace penstock::door {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::step(std::string_view& input, std::string_view& payload) {
  while (!error_ && state_ != State::kDone && !input.empty()) {
    if (state_ == State::kData) {
      payload = input.substr(0, std::min<std::uint64_t>(left_, input.size()));
      input.remove_prefix(payload.size());
      left_ -= payload.size();
      if (left_ == 0) state_ = State::kDataCr;
      return Step::kPayload;
    }
    take(input.front());
    input.remove_prefix(1);
  }
  if (error_) return Step::kError;
  return state_ == State::kDone ? Step::kDone : Step::kMore;
}

void ChunkedDecoder::take(char c) {
  switch (state_) {
    case State::kSize:
      return take_size(c);
    case State::kExtension:
      if (++line_bytes_ > kMaxLineBytes) return fail("Bad Request: a chunk extension is too long");
      if (c == '\r') return void(state_ = State::kSizeLf);
      if (!is_field_char(c)) fail("Bad Request: invalid chunk extension");
      return;
    case State::kSizeLf:
      if (c != '\n') return fail("Bad Request: invalid chunk size");
      return end_size_line();
    case State::kDataCr:
      return expect(c, '\r', State::kDataLf);
    case State::kDataLf:
      any_digit_ = false;
      line_bytes_ = 0;
      return expect(c, '\n', State::kSize);
    case State::kEndLf:
      return expect(c, '\n', State::kDone);
    default:
      return take_trailer(c);
  }
}

void ChunkedDecoder::take_size(char c) {
  const int digit = hex_digit(c);
  if (digit >= 0) {
    if (++line_bytes_ > 16 || left_ > (static_cast<std::uint64_t>(INT64_MAX) >> 4)) {
      return fail("Bad Request: a chunk size is too large");
    }
    left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
    any_digit_ = true;
  } else if (any_digit_ && c == '\r') {
    state_ = State::kSizeLf;
  } else if (any_digit_ && c == ';') {
    state_ = State::kExtension;
  } else {
    fail("Bad Request: invalid chunk size");
  }
}

void ChunkedDecoder::end_size_line() {
  if (left_ == 0) {
    state_ = State::kTrailerStart;
  } else if (++chunks_ > max_chunks_) {
    fail(
        "Chunked request body exceeds maximum of 65536 non-empty chunks. "
        "Send fewer or larger HTTP chunks.");
  } else {
    state_ = State::kData;
  }
}

void ChunkedDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) {
    return fail("Request Header Fields Too Large", 431);
  }
  switch (state_) {
    case State::kTrailerStart:
      if (c == '\r') return void(state_ = State::kEndLf);
      if (!is_token_char(c)) return fail("Bad Request: invalid trailer field");
      state_ = State::kTrailerName;
      return;
    case State::kTrailerName:
      if (c == ':') return void(state_ = State::kTrailerValue);
      if (!is_token_char(c)) fail("Bad Request: invalid trailer field");
      return;
    case State::kTrailerValue:
      if (c == '\r') return void(state_ = State::kTrailerLf);
      if (!is_field_char(c)) fail("Bad Request: invalid trailer field");
      return;
    default:
      return expect(c, '\n', State::kTrailerStart);
  }
}

void ChunkedDecoder::expect(char c, char wanted, State next) {
  if (c != wanted) return fail("Bad Request: a line of a chunked body does not end with CR LF");
  state_ = next;
}

void ChunkedDecoder::fail(std::string_view text, int status) { error_ = {status, text}; }

}  // namespace penstock::door
