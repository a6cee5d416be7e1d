// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_messages.h"

namespace penstock::door {
namespace {

using std::string_view_literals::operator""sv;

// Tags: the field's number and "length-delimited".
constexpr char kErrorMessageTag = 1 << 3 | 2;
constexpr char kInferResponseTag = 2 << 3 | 2;
constexpr char kModelNameTag = 1 << 3 | 2;
constexpr char kModelVersionTag = 2 << 3 | 2;
constexpr char kIdTag = 3 << 3 | 2;

void append_varint(std::string& out, std::uint64_t value) {
  while (value > 0x7f) {
    out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void append_text(std::string& out, char tag, std::string_view text) {
  if (text.empty()) return;  // the default value is not written
  out.push_back(tag);
  append_varint(out, text.size());
  out.append(text);
}

// How many bytes of `text` make one well-formed UTF-8 character; 0: none does.
std::size_t character_size(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  // Overlong forms, surrogates and what is past U+10FFFF show in the second byte.
  const unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < least || at(1) > most) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

// A protobuf string must be UTF-8, and a model may say anything in an error.
std::string as_utf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    out.append(size > 0 ? text.substr(0, size) : kReplacement);
    text.remove_prefix(size > 0 ? size : 1);
  }
  return out;
}

}  // namespace

std::string_view ready_message(bool ready) { return ready ? "\x08\x01"sv : ""sv; }

std::string_view health_message(bool serving) { return serving ? "\x08\x01"sv : "\x08\x02"sv; }

std::string_view final_response_parameter(bool final) {
  // ModelInferResponse.parameters (4): {key (1): ..., value (2): {bool_param (1): ...}}
  return final ? "\x22\x1b\x0a\x15triton_final_response\x12\x02\x08\x01"sv
               : "\x22\x1b\x0a\x15triton_final_response\x12\x02\x08\x00"sv;
}

void append_stream_head(std::string& out, std::uint64_t response_bytes) {
  out.push_back(kInferResponseTag);
  append_varint(out, response_bytes);
}

void append_stream_error(std::string& out, const StreamError& error) {
  append_text(out, kErrorMessageTag, as_utf8(error.message));
  std::string response;
  append_text(response, kModelNameTag, error.model);
  append_text(response, kModelVersionTag, error.version);
  append_text(response, kIdTag, error.id);
  response.append(final_response_parameter(error.final));
  append_stream_head(out, response.size());
  out.append(response);
}

}  // namespace penstock::door
