// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/http_reply.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

namespace penstock::door {
namespace {

// Up to here a copy costs less than another element of a gather-write.
constexpr std::size_t kJoinedBytes = 4096;
constexpr std::size_t kPiecesPerSend = 64;
constexpr std::size_t kKeptBytes = 64 << 10;

std::string_view status_line(int status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 408:
      return "HTTP/1.1 408 Request Timeout\r\n";
    case 413:
      return "HTTP/1.1 413 Request Entity Too Large\r\n";
    case 414:
      return "HTTP/1.1 414 Request-URI Too Long\r\n";
    case 417:
      return "HTTP/1.1 417 Expectation Failed\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 501:
      return "HTTP/1.1 501 Not Implemented\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 504:
      return "HTTP/1.1 504 Gateway Timeout\r\n";
    case 505:
      return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
    default:
      return "HTTP/1.1 500 Internal Server Error\r\n";
  }
}

void append_number(std::string& text, std::uint64_t value) {
  char digits[20];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void forget_if_large(std::string& text) {
  text.clear();
  if (text.capacity() > kKeptBytes) std::string().swap(text);
}

}  // namespace

int http_status(Code code) {
  switch (code) {
    case Code::kInternal:
      return 500;
    case Code::kNotFound:
      return 404;
    case Code::kUnavailable:
      return 503;
    case Code::kUnsupported:
      return 501;
    case Code::kDeadlineExceeded:
      return 504;
    case Code::kUnknown:
    case Code::kInvalidArg:
    case Code::kAlreadyExists:
    case Code::kCancelled:
      break;
  }
  return 400;
}

void Outgoing::set_empty(int status) { status_ = status; }

void Outgoing::set_error(int status, std::string_view message, std::string_view fields) {
  status_ = status;
  from_reply_ = false;
  type_ = kJsonType;
  fields_.assign(fields);
  body_ = encode_http_error(message);
}

void Outgoing::set_error(const Status& status) {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  std::string retry;
  if (const std::int64_t ns = status.retry_after_ns(); ns > 0) {
    retry = "Retry-After: " + std::to_string((ns + kSecondNs - 1) / kSecondNs) + "\r\n";
  }
  set_error(http_status(status.code()), status.message(), retry);
}

void Outgoing::set_inference(std::string_view encoding) {
  status_ = 200;
  from_reply_ = encoding.empty();
  type_ = kJsonType;
  if (reply_.has_binary) {  // H-31, H-35
    type_ = kBinaryType;
    fields_.append("Inference-Header-Content-Length: ");
    append_number(fields_, reply_.json_bytes);
    fields_.append("\r\n");
  }
  if (!encoding.empty()) {
    fields_.append("Content-Encoding: ").append(encoding).append("\r\n");
  }
}

void Outgoing::seal(bool keep_alive, int minor_version) {
  const std::size_t length = from_reply_ ? reply_.total_bytes : body_.size();
  text_.assign(status_line(status_)).append("Content-Length: ");
  append_number(text_, length);
  text_.append("\r\n");
  if (!type_.empty()) text_.append("Content-Type: ").append(type_).append("\r\n");
  text_.append(fields_);
  if (!keep_alive) {
    text_.append("Connection: close\r\n");
  } else if (minor_version == 0) {
    text_.append("Connection: keep-alive\r\n");
  }
  text_.append("\r\n");
  pieces_.push_back({});  // the text, whose place is known when it is complete
  if (from_reply_) {
    for (const ByteSpan segment : reply_.segments) add_body(segment);
  } else {
    add_body(std::as_bytes(std::span(body_)));
  }
  pieces_.front() = {text_.data(), text_.size()};
}

void Outgoing::add_body(ByteSpan bytes) {
  // Only what comes first may be joined: the order is that of the pieces.
  if (pieces_.size() == 1 && text_.size() + bytes.size() <= kJoinedBytes) {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } else {
    pieces_.push_back({const_cast<std::byte*>(bytes.data()), bytes.size()});
  }
}

Outgoing::Sent Outgoing::send(int fd, std::uint64_t& bytes) {
  while (next_piece_ < pieces_.size()) {
    msghdr message{};
    message.msg_iov = &pieces_[next_piece_];
    message.msg_iovlen = std::min(pieces_.size() - next_piece_, kPiecesPerSend);
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    const iovec& piece = pieces_[next_piece_];
    const ssize_t sent = message.msg_iovlen == 1 ? ::send(fd, piece.iov_base, piece.iov_len, kFlags)
                                                 : ::sendmsg(fd, &message, kFlags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Sent::kSome : Sent::kFailed;
    }
    bytes += static_cast<std::uint64_t>(sent);
    skip(static_cast<std::size_t>(sent));
  }
  return Sent::kAll;
}

void Outgoing::skip(std::size_t bytes) {
  while (next_piece_ < pieces_.size() && bytes >= pieces_[next_piece_].iov_len) {
    bytes -= pieces_[next_piece_++].iov_len;
  }
  if (bytes == 0) return;
  iovec& piece = pieces_[next_piece_];
  piece.iov_base = static_cast<std::byte*>(piece.iov_base) + bytes;
  piece.iov_len -= bytes;
}

void Outgoing::clear() {
  status_ = 0;
  from_reply_ = false;
  type_ = {};
  fields_.clear();
  forget_if_large(body_);
  forget_if_large(text_);
  reply_.clear();
  pieces_.clear();
  next_piece_ = 0;
}

std::unique_ptr<Outgoing> OutgoingPool::take() {
  if (idle_.empty()) return std::make_unique<Outgoing>();
  std::unique_ptr<Outgoing> reply = std::move(idle_.back());
  idle_.pop_back();
  return reply;
}

void OutgoingPool::give_back(std::unique_ptr<Outgoing> reply) {
  if (!reply || idle_.size() >= kKept) return;
  reply->clear();
  idle_.push_back(std::move(reply));
}

}  // namespace penstock::door
