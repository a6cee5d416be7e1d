// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/json_document.h"

#include <algorithm>
#include <bit>

#include "wire/json_nonfinite.h"

namespace penstock::wire {
namespace {

constexpr std::size_t kSmallestCapacity = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Status parse_failure(std::string_view reason) {
  return invalid_arg("failed to parse the request JSON buffer: " + std::string(reason));
}

}  // namespace

simdjson::error_code JsonDocument::parse_text(std::string_view json, bool padded,
                                              simdjson::dom::element& root) {
  const std::size_t capacity = std::bit_ceil(std::max(json.size(), kSmallestCapacity));
  if (parser_.capacity() < capacity) {
    // simdjson refuses a container when its depth reaches the limit, we when it passes it.
    if (auto error = parser_.allocate(capacity, max_depth_ + 1)) return error;
    if (auto error = parser_.doc.allocate(capacity)) return error;
  }
  const char* text = json.data();
  if (!padded) {
    padded_text_.reserve(json.size() + kPadding);
    padded_text_.assign(json);
    padded_text_.append(kPadding, '\0');
    text = padded_text_.data();
  }
  return parser_.parse(text, json.size(), /*realloc_if_needed=*/false).get(root);
}

Status JsonDocument::parse(std::string_view json, bool padded, simdjson::dom::element& root) {
  has_nonfinite_ = false;
  if (json.starts_with(kByteOrderMark)) return parse_failure("it begins with a byte order mark");
  auto error = parse_text(json, padded, root);
  const bool syntax = error && error != simdjson::DEPTH_ERROR && error != simdjson::MEMALLOC &&
                      error != simdjson::CAPACITY && error != simdjson::UTF8_ERROR;
  if (syntax && rewrite_nonfinite(json, max_depth_, rewritten_text_)) {
    error = parse_text(rewritten_text_, false, root);
    has_nonfinite_ = true;
  }
  switch (error) {
    case simdjson::SUCCESS:
      return {};
    case simdjson::DEPTH_ERROR:  // H-26
      return invalid_arg("JSON nesting depth exceeds maximum allowed limit (" +
                         std::to_string(max_depth_) + ")");
    case simdjson::MEMALLOC:
      return unavailable("not enough memory to parse a request JSON of " +
                         std::to_string(json.size()) + " bytes");
    case simdjson::NUMBER_ERROR:
      return parse_failure("a number is malformed, or too large for 64 bits or for a double");
    default:
      return parse_failure(simdjson::error_message(error));
  }
}

void JsonDocument::trim() {
  if (parser_.capacity() > kKeptBytes) parser_ = simdjson::dom::parser();
  if (padded_text_.capacity() > kKeptBytes) std::string().swap(padded_text_);
  if (rewritten_text_.capacity() > kKeptBytes) std::string().swap(rewritten_text_);
}

}  // namespace penstock::wire
