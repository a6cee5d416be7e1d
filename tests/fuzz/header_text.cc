// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The small texts of header fields: deadlines, encodings, lengths, versions, and error messages on
// their way into a field, a JSON text or a protobuf string.
#include <simdjson.h>

#include <algorithm>
#include <string>

#include "door/compression.h"
#include "door/grpc_head.h"
#include "door/grpc_messages.h"
#include "door/grpc_status.h"
#include "penstock/codec.h"
#include "promise.h"

namespace penstock::fuzz {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void check_timeout(std::string_view text) {
  const auto timeout_ns = door::parse_grpc_timeout(text);
  const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
  const bool valid = text.size() <= 9 && all_digits(digits) &&
                     std::string_view("HMSmun").find(text.back()) != std::string_view::npos;
  require(timeout_ns.has_value() == valid, "a deadline is digits and a unit");
  if (valid) require(*timeout_ns >= 0 && *timeout_ns <= INT64_MAX / 2, "a deadline has its place");
}

void check_grpc_fields(std::string_view text) {
  door::GrpcHead head;
  for (const std::string_view name : {"content-type", "grpc-timeout", "grpc-encoding",
                                      "grpc-accept-encoding", "triton_grpc_error", ":path"}) {
    head.add(name, text);
  }
  require(head.bad_timeout == !head.timeout_ns.has_value(), "a deadline, or none");
  head.clear();
  const door::Rpc rpc = door::find_rpc(text);
  require(rpc == door::Rpc::kPassOn || text.ends_with(door::rpc_name(rpc)), "its own name");
}

// As a client reads it.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    require(c >= 0x20 && c <= 0x7e, "a field holds what is printable");
    if (c != '%') {
      out.push_back(c);
      continue;
    }
    require(i + 2 < text.size(), "an escape is whole");
    out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
    i += 2;
  }
  return out;
}

void check_messages(std::string_view text) {
  std::string field;
  door::append_grpc_message(field, text);
  require(field.size() < 8192, "a client takes the field");
  require(text.starts_with(percent_decoded(field)), "a message comes as it was, or its beginning");
  require(field.size() >= std::min<std::size_t>(text.size(), 6144), "no less of it than fits");
  std::string message;
  door::StreamError stream_error;
  stream_error.message = text;
  stream_error.id = "id";
  door::append_stream_error(message, stream_error);
  require(message.size() <= 3 * text.size() + 64, "an error stays small");
  const std::string json = encode_http_error(text);
  if (!simdjson::validate_utf8(text.data(), text.size())) return;
  simdjson::dom::parser parser;
  std::string_view error;
  require(parser.parse(json)["error"].get(error) == simdjson::SUCCESS && error == text,
          "an error in JSON is the same error");
}

void check_numbers(std::string_view text) {
  constexpr std::uint64_t kContentLength = 1000;
  const auto length = parse_header_length(text, kContentLength);
  if (length.ok()) {
    require(length.value() <= kContentLength, "a header lies within its body");
  } else {
    require_client_error(length.status());
  }
  const auto version = parse_version(text);
  if (version.ok()) {
    require(version.value() >= -1, "a version, or the latest");
  } else {
    require_client_error(version.status());
  }
}

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  const std::string_view text = text_of(data, size);
  check_timeout(text);
  check_grpc_fields(text);
  check_messages(text);
  check_numbers(text);
  const penstock::door::Encoding encoding = penstock::door::negotiate(text);
  const std::string_view name = penstock::door::encoding_name(encoding);
  const auto named = [&](char a, char b) { return (a | 0x20) == b; };
  require(encoding == penstock::door::Encoding::kIdentity ||
              std::search(text.begin(), text.end(), name.begin(), name.end(), named) != text.end(),
          "an encoding that the client has named");
  return 0;
}
