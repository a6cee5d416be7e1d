// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/http1_parser.h"

#include <cstring>

namespace penstock::door {
namespace {

// The longest method and the version around a target.
constexpr std::size_t kMaxMethodBytes = 32;
constexpr std::size_t kAroundTargetBytes = kMaxMethodBytes + sizeof " HTTP/1.1\r";

constexpr HttpError kBadRequestLine{400, "Bad Request: invalid request line"};
constexpr HttpError kBadTarget{400, "Bad Request: invalid request target"};
constexpr HttpError kBadVersion{400, "Bad Request: invalid HTTP version"};
constexpr HttpError kOtherVersion{505, "HTTP Version Not Supported"};
constexpr HttpError kBadField{400, "Bad Request: invalid header field"};
constexpr HttpError kFoldedField{400, "Bad Request: a header field is folded"};
constexpr HttpError kBareLineFeed{400, "Bad Request: a line does not end with CR LF"};
constexpr HttpError kTargetTooLong{414, "URI Too Long"};
constexpr HttpError kFieldsTooLarge{431, "Request Header Fields Too Large"};
constexpr HttpError kBadLength{400, "Unable to parse Content-Length"};
constexpr HttpError kTwoFields{400, "Bad Request: a header field is given twice"};
constexpr HttpError kBadCoding{400, "Bad Request: invalid Transfer-Encoding"};
constexpr HttpError kTwoLengths{400, "Bad Request: both Content-Length and Transfer-Encoding"};
constexpr HttpError kNoHost{400, "Bad Request: the Host header field is missing"};

constexpr bool is_alphanumeric(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

enum CharClass : std::uint8_t { kToken = 1, kField = 2, kTarget = 4 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (int i = 0; i < 256; ++i) {
    const auto c = static_cast<unsigned char>(i);
    if (is_alphanumeric(c)) classes[i] |= kToken;
    if (c == '\t' || (c >= ' ' && c != 0x7f)) classes[i] |= kField;
    // Bytes above ASCII are not allowed either, but names of models may hold them.
    if (c > ' ' && c != 0x7f && c != '#') classes[i] |= kTarget;
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    classes[static_cast<unsigned char>(c)] |= kToken;
  }
  return classes;
}
constexpr auto kClasses = make_classes();

bool all_of_class(std::string_view text, CharClass wanted) {
  std::uint8_t common = wanted;
  for (const char c : text) common &= kClasses[static_cast<unsigned char>(c)];
  return common != 0;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// absolute-form: the path is what counts, we are one host.
bool take_origin_form(std::string_view& target) {
  if (target.starts_with('/')) return true;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = target.find_first_of("/?");
    if (end == 0 || target.empty()) return false;  // no host
    target = end == std::string_view::npos ? std::string_view() : target.substr(end);
    if (target.empty()) target = "/";
    return target.starts_with('/');
  }
  return false;
}

HttpError parse_version(std::string_view text, int& minor) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || text[6] != '.' || text[5] < '0' ||
      text[5] > '9' || text[7] < '0' || text[7] > '9') {
    return kBadVersion;
  }
  if (text[5] != '1') return kOtherVersion;
  minor = text[7] == '0' ? 0 : 1;  // a later 1.x is answered as 1.1
  return {};
}

HttpError parse_request_line(std::string_view line, const HeadLimits& limits, RequestHead& head) {
  const std::size_t method_end = line.find(' ');
  if (method_end == 0 || method_end == std::string_view::npos || method_end > kMaxMethodBytes) {
    return kBadRequestLine;
  }
  head.method = line.substr(0, method_end);
  if (!all_of_class(head.method, kToken)) return kBadRequestLine;
  line.remove_prefix(method_end + 1);
  const std::size_t target_end = line.find(' ');
  if (target_end == std::string_view::npos || target_end == 0) return kBadRequestLine;
  head.target = line.substr(0, target_end);
  if (head.target.size() > limits.max_target_bytes) return kTargetTooLong;
  if (!all_of_class(head.target, kTarget)) return kBadTarget;
  if (const HttpError error = parse_version(line.substr(target_end + 1), head.minor_version)) {
    return error;
  }
  const bool asterisk = head.target == "*" && head.method == "OPTIONS";
  if (!asterisk && !take_origin_form(head.target)) return kBadTarget;
  head.path = head.target.substr(0, head.target.find('?'));
  return {};
}

// Digits only: no sign, no base, no white space, no list.
HttpError parse_length(std::string_view value, std::optional<std::uint64_t>& length) {
  constexpr std::uint64_t kMost = INT64_MAX;
  if (length) return kTwoFields;
  if (value.empty() || value.size() > 19) return kBadLength;
  std::uint64_t sum = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return kBadLength;
    sum = sum * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits cannot wrap
  }
  if (sum > kMost) return kBadLength;
  length = sum;
  return {};
}

struct SeenFields {
  bool host = false, authorization = false;
  bool close = false, keep_alive = false;
};

HttpError take_once(std::string_view& slot, std::string_view value) {
  if (slot.data() != nullptr) return kTwoFields;
  slot = value;
  return {};
}

HttpError take_flag(bool& seen) {
  if (seen) return kTwoFields;
  seen = true;
  return {};
}

void take_connection(std::string_view value, SeenFields& seen) {
  for_each_element(value, [&](std::string_view option) {
    if (equals_ignoring_case(option, "close")) seen.close = true;
    if (equals_ignoring_case(option, "keep-alive")) seen.keep_alive = true;
  });
}

HttpError take_coding(std::string_view value, RequestHead& head) {
  if (head.chunked) return kTwoFields;
  if (!equals_ignoring_case(value, "chunked") || head.minor_version == 0) return kBadCoding;
  head.chunked = true;
  return {};
}

// The fields that decide about framing and about the way of a request.
HttpError interpret(const HeaderField& field, RequestHead& head, SeenFields& seen) {
  const auto [name, value] = field;
  const auto is = [&](std::string_view other) { return equals_ignoring_case(name, other); };
  switch (name.size()) {
    case 4:
      return is("host") ? take_flag(seen.host) : HttpError{};
    case 6:
      if (is("expect") && head.expect.data() == nullptr) head.expect = value;
      return {};
    case 10:
      if (is("connection")) take_connection(value, seen);
      return {};
    case 13:
      return is("authorization") ? take_flag(seen.authorization) : HttpError{};
    case 14:
      return is("content-length") ? parse_length(value, head.content_length) : HttpError{};
    case 15:
      if (is("accept-encoding") && head.accept_encoding.data() == nullptr) {
        head.accept_encoding = value;
      }
      return {};
    case 16:
      return is("content-encoding") ? take_once(head.content_encoding, value) : HttpError{};
    case 17:
      return is("transfer-encoding") ? take_coding(value, head) : HttpError{};
    case 20:
      return is("penstock-deadline-ms") ? take_once(head.deadline, value) : HttpError{};
    case 31:
      return is("inference-header-content-length") ? take_once(head.header_length, value)
                                                   : HttpError{};
    default:
      return {};
  }
}

HttpError parse_field(std::string_view line, HeaderField& field) {
  if (line.front() == ' ' || line.front() == '\t') return kFoldedField;
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return kBadField;
  field.name = line.substr(0, colon);
  field.value = trimmed(line.substr(colon + 1));
  if (!all_of_class(field.name, kToken) || !all_of_class(field.value, kField)) return kBadField;
  return {};
}

HttpError parse_fields(std::string_view text, RequestHead& head, SeenFields& seen) {
  for (std::size_t end; (end = text.find("\r\n")) != 0; text.remove_prefix(end + 2)) {
    if (end == std::string_view::npos) return kBadField;
    if (head.field_count == HeadLimits::kMaxFields) return kFieldsTooLarge;
    HeaderField& field = head.fields[head.field_count++];
    if (const HttpError error = parse_field(text.substr(0, end), field)) return error;
    if (const HttpError error = interpret(field, head, seen)) return error;
  }
  return {};
}

}  // namespace

bool is_token_char(char c) { return (kClasses[static_cast<unsigned char>(c)] & kToken) != 0; }
bool is_field_char(char c) { return (kClasses[static_cast<unsigned char>(c)] & kField) != 0; }

bool equals_ignoring_case(std::string_view a, std::string_view lower_case) {
  if (a.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower_case[i]) return false;
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool HeadScanner::fail(int status, std::string_view text) {
  error_ = {status, text};
  return true;
}

// A line without its CR LF ends at `line_end`. True: the head is complete or wrong.
bool HeadScanner::take_line(std::size_t line_end) {
  if (line_end > line_) {
    if (lines_++ <= HeadLimits::kMaxFields) return false;
    return fail(kFieldsTooLarge.status, kFieldsTooLarge.text);
  }
  if (lines_ > 0) {
    end_ = line_end + 2;
    return true;
  }
  // RFC 9112 2.2: an empty line before the request is passed over. One.
  if (skipped_) return fail(kBadRequestLine.status, kBadRequestLine.text);
  skipped_ = true;
  begin_ = line_end + 2;
  return false;
}

// Looks at the bytes of the current line before `end`, none of which is a line feed. Each rule is
// broken at one byte, and the first such byte decides: so how the head arrives does not.
bool HeadScanner::check_line(std::string_view received, std::size_t end, const HeadLimits& limits) {
  if (lines_ == 0 && received[begin_] != '\r' && !is_token_char(received[begin_])) {
    return fail(kBadRequestLine.status, kBadRequestLine.text);  // not HTTP at all: say so at once
  }
  if (lines_ == 0 && end - begin_ > limits.max_target_bytes + kAroundTargetBytes) {
    return fail(kTargetTooLong.status, kTargetTooLong.text);
  }
  if (end - begin_ > limits.max_head_bytes()) {
    return fail(kFieldsTooLarge.status, kFieldsTooLarge.text);
  }
  return false;
}

bool HeadScanner::scan(std::string_view received, const HeadLimits& limits) {
  while (seen_ < received.size()) {
    const void* found = std::memchr(received.data() + seen_, '\n', received.size() - seen_);
    const auto at =
        found == nullptr
            ? received.size()
            : static_cast<std::size_t>(static_cast<const char*>(found) - received.data());
    if (check_line(received, at, limits)) return true;
    seen_ = at;
    if (found == nullptr) return false;
    if (at == line_ || received[at - 1] != '\r') {
      return fail(kBareLineFeed.status, kBareLineFeed.text);
    }
    if (take_line(at - 1)) return true;
    seen_ = line_ = at + 1;
  }
  return false;
}

HttpError parse_head(std::string_view text, const HeadLimits& limits, RequestHead& head) {
  head.keep_alive = true;
  head.chunked = false;
  head.content_length.reset();
  head.expect = head.content_encoding = head.accept_encoding = head.header_length = {};
  head.deadline = {};
  head.field_count = 0;
  const std::size_t line_end = text.find("\r\n");
  if (const auto error = parse_request_line(text.substr(0, line_end), limits, head)) return error;
  text.remove_prefix(line_end + 2);
  if (text.size() > limits.max_fields_bytes) return kFieldsTooLarge;
  SeenFields seen;
  if (const HttpError error = parse_fields(text, head, seen)) return error;
  if (head.chunked && head.content_length) return kTwoLengths;
  if (!seen.host && head.minor_version > 0) return kNoHost;
  head.keep_alive = !seen.close && (head.minor_version > 0 || seen.keep_alive);
  return {};
}

}  // namespace penstock::door
