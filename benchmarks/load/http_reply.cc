// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/http_reply.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace penstock::load {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

bool same_name(std::string_view name, std::string_view other) {
  return name.size() == other.size() && strncasecmp(name.data(), other.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool parse_number(std::string_view text, int base, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

void HttpReplyReader::reset() {
  state_ = State::kHead;
  kept_.clear();
  drop_kept_ = false;
}

HttpReplyReader::Result HttpReplyReader::read(std::string_view& bytes) {
  while (!bytes.empty()) {
    Result result = Result::kMore;
    switch (state_) {
      case State::kHead:
        result = read_head(bytes);
        break;
      case State::kBody:
      case State::kChunk:
        result = read_body(bytes);
        break;
      default:
        result = read_chunk_line(bytes);
    }
    if (result != Result::kMore) return result;
  }
  return Result::kMore;
}

HttpReplyReader::Result HttpReplyReader::read_head(std::string_view& bytes) {
  std::string_view head;
  if (kept_.empty()) {
    const auto end = bytes.find(kHeadEnd);
    if (end == std::string_view::npos) {
      kept_ = bytes;
      bytes = {};
      return kept_.size() > kLongestHead ? malformed("a head beyond 64 KiB") : Result::kMore;
    }
    head = bytes.substr(0, end);
    bytes.remove_prefix(end + kHeadEnd.size());
  } else {
    // The end may lie across what was kept and what comes now.
    const std::size_t before = kept_.size();
    kept_.append(bytes.substr(0, kLongestHead));
    const auto end = kept_.find(kHeadEnd, before - std::min<std::size_t>(before, 3));
    if (end == std::string::npos) {
      bytes = {};
      return kept_.size() > kLongestHead ? malformed("a head beyond 64 KiB") : Result::kMore;
    }
    bytes.remove_prefix(end + kHeadEnd.size() - before);
    head = std::string_view(kept_).substr(0, end);
  }
  const bool good = parse_head(head);
  kept_.clear();
  if (!good) return Result::kMalformed;
  if (status_ < 200) return Result::kMore;  // the reply itself is still to come
  if (chunked_) {
    state_ = State::kChunkSize;
    return Result::kMore;
  }
  if (status_ == 204 || status_ == 304) left_ = 0;
  state_ = State::kBody;
  return left_ == 0 ? finish() : Result::kMore;
}

bool HttpReplyReader::parse_head(std::string_view head) {
  has_length_ = chunked_ = closes_ = false;
  left_ = 0;
  check_.begin();
  std::size_t end = std::min(head.find("\r\n"), head.size());
  if (!parse_status(head.substr(0, end))) return false;
  while (end < head.size()) {
    head.remove_prefix(end + 2);
    end = std::min(head.find("\r\n"), head.size());
    if (!parse_header(head.substr(0, end))) return false;
  }
  if (chunked_ && has_length_) return malformed("both Content-Length and chunks"), false;
  const bool has_body = status_ >= 200 && status_ != 204 && status_ != 304;
  if (has_body && !chunked_ && !has_length_) return malformed("a reply without a length"), false;
  return true;
}

bool HttpReplyReader::parse_status(std::string_view line) {
  std::uint64_t status = 0;
  const bool good = (line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")) &&
                    line.size() >= 12 && (line.size() == 12 || line[12] == ' ') &&
                    parse_number(line.substr(9, 3), 10, status) && status >= 100;
  if (!good) return malformed("no status line of HTTP/1.1"), false;
  status_ = static_cast<int>(status);
  closes_ = line[7] == '0';
  return true;
}

bool HttpReplyReader::parse_header(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return malformed("no header line"), false;
  const std::string_view name = line.substr(0, colon);
  if (same_name(name, "content-length")) {
    std::uint64_t length = 0;
    if (!parse_number(trimmed(line.substr(colon + 1)), 10, length)) {
      return malformed("a Content-Length that is no number"), false;
    }
    if (has_length_ && length != left_) return malformed("two Content-Lengths"), false;
    has_length_ = true;
    left_ = length;
  } else if (same_name(name, "transfer-encoding")) {
    chunked_ = same_name(trimmed(line.substr(colon + 1)), "chunked");
    if (!chunked_) return malformed("a Transfer-Encoding other than chunked"), false;
  } else if (same_name(name, "connection")) {
    closes_ = closes_ || same_name(trimmed(line.substr(colon + 1)), "close");
  }
  return true;
}

HttpReplyReader::Result HttpReplyReader::read_body(std::string_view& bytes) {
  const std::string_view part = bytes.substr(0, std::min<std::uint64_t>(left_, bytes.size()));
  check_.add(part);
  bytes.remove_prefix(part.size());
  left_ -= part.size();
  if (left_ > 0) return Result::kMore;
  if (state_ == State::kBody) return finish();
  state_ = State::kChunkEnd;
  return Result::kMore;
}

HttpReplyReader::Result HttpReplyReader::read_chunk_line(std::string_view& bytes) {
  const std::optional<std::string_view> line = take_line(bytes);
  if (!line) return kept_.size() > kLongestLine ? malformed("an endless line") : Result::kMore;
  switch (state_) {
    case State::kChunkEnd:
      if (!line->empty()) return malformed("a chunk that is longer than its size");
      state_ = State::kChunkSize;
      return Result::kMore;
    case State::kTrailer:
      return line->empty() ? finish() : Result::kMore;
    default:
      break;
  }
  if (!parse_number(trimmed(line->substr(0, line->find(';'))), 16, left_)) {
    return malformed("a chunk without a size");
  }
  state_ = left_ == 0 ? State::kTrailer : State::kChunk;
  return Result::kMore;
}

std::optional<std::string_view> HttpReplyReader::take_line(std::string_view& bytes) {
  if (drop_kept_) kept_.clear();
  drop_kept_ = false;
  const auto end = bytes.find('\n');
  if (end == std::string_view::npos) {
    kept_.append(bytes.substr(0, kLongestLine + 1));
    bytes = {};
    return std::nullopt;
  }
  std::string_view line = bytes.substr(0, end);
  if (!kept_.empty()) {
    kept_.append(line.substr(0, kLongestLine + 1));
    line = kept_;
    drop_kept_ = true;  // once the line was looked at
  }
  bytes.remove_prefix(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

HttpReplyReader::Result HttpReplyReader::finish() {
  state_ = State::kHead;
  kept_.clear();
  drop_kept_ = false;
  return Result::kReply;
}

HttpReplyReader::Result HttpReplyReader::malformed(const char* problem) {
  problem_ = problem;
  return Result::kMalformed;
}

}  // namespace penstock::load
