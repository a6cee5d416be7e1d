// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HeadScanner, parse_head: the head of an HTTP/1 request, exactly as RFC 9112 says, sans I/O.
//
// The scanner finds the end of a head as bytes arrive, each byte looked at once; parse_head then
// reads the whole head. What is ambiguous is an error, never a guess: two readers of the same bytes
// must not disagree where a message ends. Thread safety: none needed. Ownership: a RequestHead
// borrows from the bytes that were parsed. Nothing blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace penstock::door {

struct HeadLimits {
  std::size_t max_target_bytes = 8 << 10;
  std::size_t max_fields_bytes = 32 << 10;
  static constexpr std::size_t kMaxFields = 100;

  [[nodiscard]] std::size_t max_head_bytes() const { return max_target_bytes + max_fields_bytes; }
};

struct HttpError {
  int status = 0;  // 0: none
  std::string_view text;
  explicit operator bool() const { return status != 0; }
};

class HeadScanner {
 public:
  // Looks at the bytes from the start of the head on. True: complete() or error() is set.
  bool scan(std::string_view received, const HeadLimits& limits);
  void reset() { *this = HeadScanner(); }
  // Where the head begins (behind an empty line that came before it) and ends.
  [[nodiscard]] std::size_t begin() const { return begin_; }
  [[nodiscard]] std::size_t end() const { return end_; }
  [[nodiscard]] const HttpError& error() const { return error_; }

 private:
  bool fail(int status, std::string_view text);
  bool check_line(std::string_view received, std::size_t end, const HeadLimits& limits);
  bool take_line(std::size_t line_end);

  std::size_t begin_ = 0;
  std::size_t line_ = 0;  // start of the line that is being read
  std::size_t seen_ = 0;
  std::size_t lines_ = 0;
  std::size_t end_ = 0;
  bool skipped_ = false;
  HttpError error_;
};

struct HeaderField {
  std::string_view name;
  std::string_view value;
};

struct RequestHead {
  std::string_view method;
  std::string_view target;  // path and query, undecoded
  std::string_view path;
  int minor_version = 1;
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
  // The value of the first field of that name; data() is null when there is none.
  std::string_view expect, content_encoding, accept_encoding, header_length, deadline;
  std::array<HeaderField, HeadLimits::kMaxFields> fields;
  std::size_t field_count = 0;

  [[nodiscard]] std::span<const HeaderField> all() const { return {fields.data(), field_count}; }
  [[nodiscard]] bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// `text` is a complete head, with the empty line that ends it.
[[nodiscard]] HttpError parse_head(std::string_view text, const HeadLimits& limits,
                                   RequestHead& head);

// Shared with the parser of chunked bodies.
[[nodiscard]] bool is_token_char(char c);
[[nodiscard]] bool is_field_char(char c);
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view lower);
// Calls `visit` with each element of a comma list, without the white space around it.
template <typename Visit>
void for_each_element(std::string_view list, Visit&& visit);
[[nodiscard]] std::string_view trimmed(std::string_view text);

template <typename Visit>
void for_each_element(std::string_view list, Visit&& visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    visit(trimmed(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace penstock::door
