// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HTTP/1 requests in a stream of bytes: heads, bodies of known length and chunked ones, and where
// the next request begins. However the stream is cut, the same requests are read, and a head that
// is written anew, as it is for the upstream server, is read as the same head.
#include <cstring>
#include <string>
#include <utility>

#include "door/body_receiver.h"
#include "door/http1_parser.h"
#include "pieces.h"
#include "promise.h"
#include "support/exact_lease.h"

namespace penstock::fuzz {
namespace {

using door::BodyReceiver;
using door::HeaderField;
using door::HeadLimits;
using door::HeadScanner;
using door::HttpError;
using door::RequestHead;

// Small, so that short inputs reach them.
constexpr HeadLimits kLimits{.max_target_bytes = 64, .max_fields_bytes = 512};
constexpr std::uint64_t kMaxBodyBytes = 256;

std::string described(const RequestHead& head) {
  std::string text(head.method);
  text.append(" ").append(head.target).append(" | ").append(head.path);
  text.append(head.keep_alive ? " keep" : " close").append(head.chunked ? " chunked" : "");
  text.append(" 1.").append(std::to_string(head.minor_version));
  text.append(head.content_length ? " " + std::to_string(*head.content_length) : " -");
  for (const std::string_view value :
       {head.expect, head.content_encoding, head.accept_encoding, head.header_length}) {
    text.append(value.data() == nullptr ? "|none" : "|").append(value);
  }
  for (const HeaderField& field : head.all()) {
    text.append("\n").append(field.name).append(": ").append(field.value);
  }
  return text;
}

void require_same_when_written_anew(const RequestHead& head) {
  std::string text(head.method);
  text.append(" ").append(head.target).append(" HTTP/1.");
  text.append(std::to_string(head.minor_version)).append("\r\n");
  for (const HeaderField& field : head.all()) {
    text.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  text.append("\r\n");
  // The spaces behind the colons may not have been there.
  const HeadLimits limits{.max_target_bytes = kLimits.max_target_bytes, .max_fields_bytes = 4096};
  RequestHead again;
  const HttpError error = door::parse_head(text, limits, again);
  require(!error && described(again) == described(head), "a head written anew is the same head");
}

class Reader {
 public:
  explicit Reader(bool in_place) : in_place_(in_place) {}

  void feed(std::string_view piece) {
    if (ended_) return;
    if (in_body_ && in_place_ && !body_.room().empty()) {  // as recv() fills it
      const std::span<std::byte> room = body_.room();
      const std::size_t taken = std::min(room.size(), piece.size());
      std::memcpy(room.data(), piece.data(), taken);
      body_.received(taken);
      piece.remove_prefix(taken);
    }
    received_.append(piece);
    while (!ended_ && (in_body_ ? take_body() : take_head())) {
    }
  }
  // What was read, for comparison.
  [[nodiscard]] std::string take_transcript() { return std::move(transcript_); }

 private:
  bool take_head() {
    if (received_.empty() || !scanner_.scan(received_, kLimits)) return false;
    if (scanner_.error()) return end(scanner_.error());
    const std::string text = received_.substr(scanner_.begin(), scanner_.end() - scanner_.begin());
    received_.erase(0, scanner_.end());
    scanner_.reset();
    RequestHead head;
    if (const HttpError error = door::parse_head(text, kLimits, head)) return end(error);
    require_same_when_written_anew(head);
    transcript_.append(described(head)).append("\n\n");
    keep_alive_ = head.keep_alive;
    const auto json_bytes = door_json_bytes(head);
    if (const HttpError error = body_.begin(head, no_room_, 0, json_bytes)) return end(error);
    in_body_ = true;
    return true;
  }
  static std::optional<std::uint64_t> door_json_bytes(const RequestHead& head) {
    const auto parsed = parse_header_length(head.header_length, head.content_length.value_or(0));
    return parsed.ok() ? std::optional(parsed.value()) : std::nullopt;
  }
  bool take_body() {
    std::string_view view = received_;
    const HttpError error = body_.take(view);
    received_.erase(0, received_.size() - view.size());
    if (error) return end(error);
    if (!body_.done()) return false;
    const ByteSpan body = body_.body();
    require(body.size() <= kMaxBodyBytes, "a body stays within its bound");
    transcript_.append(reinterpret_cast<const char*>(body.data()), body.size()).append("\n\n");
    body_.reset();
    in_body_ = false;
    ended_ = !keep_alive_;
    return true;
  }
  bool end(const HttpError& error) {
    require(error.status >= 400 && error.status < 600 && error.status != 500, "a client's error");
    require(error.status != 503, "there is memory enough");
    transcript_.append(std::to_string(error.status)).append(" ").append(error.text);
    ended_ = true;
    return false;
  }

  const bool in_place_;
  BufferPool pool_{make_page_allocator(), BufferPoolOptions{}};
  door::ByteBudget budget_{1 << 20};
  BufferLease no_room_ = testing::exact_lease({});
  BodyReceiver body_{pool_, budget_, kMaxBodyBytes};
  HeadScanner scanner_;
  std::string received_;
  std::string transcript_;
  bool in_body_ = false;
  bool keep_alive_ = true;
  bool ended_ = false;
};

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  const std::string_view stream = text_of(data, size);
  std::string expected;
  for (const Cut cut : kCuts) {
    Reader reader(cut == Cut::kAnywhere);
    for_each_piece(stream, cut, [&](std::string_view piece) { reader.feed(piece); });
    std::string transcript = reader.take_transcript();
    if (cut == Cut::kWhole) {
      expected = std::move(transcript);
    } else {
      require(transcript == expected, "requests do not depend on how the stream is cut");
    }
  }
  return 0;
}
