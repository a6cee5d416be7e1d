// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The small texts around a message: error bodies, the header length, the model version.
#include <charconv>
#include <limits>
#include <string>
#include <system_error>

#include "penstock/codec.h"
#include "wire/json_writer.h"

namespace penstock {
namespace {

// A whole text as a decimal integer; a sign may stand before it.
std::errc parse_integer(std::string_view text, std::int64_t& value) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end != text.data() + text.size()) return std::errc::invalid_argument;
  return error;
}

}  // namespace

void Reply::clear() {
  constexpr std::size_t kKeptBytes = std::size_t{4} << 20;  // of a large JSON response
  segments.clear();
  total_bytes = 0;
  json_bytes = 0;
  has_binary = false;
  head.clear();
  if (head.capacity() > kKeptBytes) std::string().swap(head);
  extra.reset();
}

std::string encode_http_error(std::string_view message) {
  std::string body = R"({"error":)";
  wire::append_json_string(body, message);
  body.push_back('}');
  return body;
}

Result<std::uint64_t> parse_header_length(std::string_view value, std::uint64_t content_length) {
  std::int64_t length = 0;
  const std::errc error = parse_integer(value, length);
  const std::string got = ", got: " + std::string(value);
  if (error == std::errc::invalid_argument) {
    return invalid_arg("Unable to parse Inference-Header-Content-Length" + got);
  }
  constexpr std::int64_t kLeast = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (error != std::errc{} || length < kLeast || length > kMost) {
    return invalid_arg("Unable to parse Inference-Header-Content-Length, value is out of range [ " +
                       std::to_string(kLeast) + ", " + std::to_string(kMost) + " ]" + got);
  }
  if (length < 0 || static_cast<std::uint64_t>(length) > content_length) {
    return invalid_arg("inference header size should be in range (0, " +
                       std::to_string(content_length) + ")" + got);
  }
  return static_cast<std::uint64_t>(length);
}

Result<std::uint64_t> parse_deadline_ms(std::string_view value) {
  std::uint64_t ms = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
  if (error == std::errc{} && end == value.data() + value.size()) return ms;
  return invalid_arg(
      "Unable to parse Penstock-Deadline-Ms, expected a whole number of "
      "milliseconds, got: " +
      std::string(value.substr(0, 64)));
}

Result<std::int64_t> parse_version(std::string_view text) {
  if (text.empty()) return std::int64_t{-1};
  std::int64_t version = 0;
  const std::errc error = parse_integer(text, version);
  if (error != std::errc{}) {
    const char* details =
        error == std::errc::result_out_of_range ? "out of range" : "not an integer";
    return invalid_arg("failed to get model version from specified version string '" +
                       std::string(text) + "' (details: " + details +
                       "), version should be an integral value > 0");
  }
  if (version < 0) {
    return invalid_arg("invalid model version specified '" + std::string(text) +
                       "' , version should be an integral value > 0");
  }
  return version;
}

}  // namespace penstock
