// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/json_document.h"

#include <algorithm>
#include <bit>

#include "wire/json_scan.h"

namespace penstock::wire {
namespace {

constexpr std::size_t kSmallestCapacity = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Status parse_failure(std::string_view reason) {
  return invalid_arg("failed to parse the request JSON buffer: " + std::string(reason));
}

}  // namespace

simdjson::error_code JsonDocument::parse_text(std::string_view json, bool padded, std::size_t depth,
                                              simdjson::dom::element& root) {
  const std::size_t needed = std::bit_ceil(std::max(json.size(), kSmallestCapacity));
  if (parser_.capacity() < needed || parser_.max_depth() != depth) {
    const std::size_t capacity = std::max(parser_.capacity(), needed);
    if (auto error = parser_.allocate(capacity, depth)) return error;
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

// A refused text: too deep, deeper than the fast way goes, or with literals that JSON has not.
simdjson::error_code JsonDocument::parse_again(std::string_view json, bool padded,
                                               simdjson::error_code refused,
                                               simdjson::dom::element& root) {
  if (refused == simdjson::MEMALLOC || refused == simdjson::CAPACITY) return refused;
  if (nesting_depth(json, max_depth_) > max_depth_) return simdjson::DEPTH_ERROR;
  if (refused == simdjson::DEPTH_ERROR) {
    refused = parse_text(json, padded, max_depth_ + 1, root);
    if (!refused) return refused;
  }
  if (!rewrite_nonfinite(json, rewritten_text_)) return refused;
  has_nonfinite_ = true;  // and an object more a level, where one stands
  return parse_text(rewritten_text_, false, max_depth_ + 2, root);
}

Status JsonDocument::parse(std::string_view json, bool padded, simdjson::dom::element& root) {
  has_nonfinite_ = false;
  if (json.starts_with(kByteOrderMark)) return parse_failure("it begins with a byte order mark");
  // simdjson refuses a container that is not empty when its depth reaches the limit.
  auto error = parse_text(json, padded, max_depth_, root);
  if (error) error = parse_again(json, padded, error, root);
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
