// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// JsonDocument: a parsed JSON text, its memory reused from one request to the next.
//
// Thread safety: one a thread. Ownership: elements borrow from the document until the next parse or
// release. Nothing blocks; warm parses do not allocate. A document needs memory of its own of up to
// 14 bytes a byte of text (touched only as far as it is used), so that what a large one left behind
// is given back.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "penstock/status.h"

namespace penstock::wire {

class JsonDocument {
 public:
  // Readable bytes that simdjson needs behind the text.
  static constexpr std::size_t kPadding = simdjson::SIMDJSON_PADDING;
  // What a document may keep between requests, in bytes of text.
  static constexpr std::size_t kKeptBytes = std::size_t{4} << 20;

  explicit JsonDocument(std::uint32_t max_depth) : max_depth_(max_depth) {}

  // `padded`: kPadding bytes behind `json` may be read; if not, the text is copied.
  [[nodiscard]] Status parse(std::string_view json, bool padded, simdjson::dom::element& root);

  // True when array elements NaN, Infinity and -Infinity were found. They appear as objects that
  // nonfinite_value() reads.
  [[nodiscard]] bool has_nonfinite() const { return has_nonfinite_; }

  // Gives memory back when it is more than a usual request needs.
  void trim();

 private:
  simdjson::error_code parse_text(std::string_view json, bool padded, std::size_t depth,
                                  simdjson::dom::element& root);
  simdjson::error_code parse_again(std::string_view json, bool padded, simdjson::error_code refused,
                                   simdjson::dom::element& root);

  std::uint32_t max_depth_;
  bool has_nonfinite_ = false;
  simdjson::dom::parser parser_;
  std::string padded_text_;
  std::string rewritten_text_;
};

}  // namespace penstock::wire
