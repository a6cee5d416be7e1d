// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

namespace penstock::door {
namespace {

constexpr std::size_t kMaxResponseHead = 64 << 10;

// Fields between two neighbours (RFC 9110 7.6.1), and those that are written anew.
bool is_hop_by_hop(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames{
      "connection", "keep-alive", "proxy-connection",  "te",
      "trailer",    "upgrade",    "transfer-encoding", "content-length"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view known) { return equals_ignoring_case(name, known); });
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

// Is `name` among the options of one of the Connection fields?
bool is_nominated(std::string_view name, std::span<const HeaderField> fields) {
  const std::string wanted = lower_case(name);
  bool found = false;
  for (const HeaderField& field : fields) {
    if (!equals_ignoring_case(field.name, "connection")) continue;
    for_each_element(field.value, [&](std::string_view option) {
      found = found || equals_ignoring_case(option, wanted);
    });
  }
  return found;
}

void append_chunk(std::string& text, std::string_view payload) {
  char digits[16];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, payload.size(), 16).ptr);
  text.append("\r\n").append(payload).append("\r\n");
}

}  // namespace

Relay::Relay(EventLoop& loop, UpstreamPool& pool, std::function<void()> on_progress)
    : loop_(loop), pool_(pool), on_progress_(std::move(on_progress)) {}

Relay::~Relay() {
  if (upstream_ == nullptr) return;
  const bool clean = complete() && fed_ && to_upstream_.empty();
  pool_.give_back(*upstream_, clean && upstream_reusable_);
}

bool Relay::begin(const RequestHead& head) {
  upstream_ = pool_.take(*this);
  if (upstream_ == nullptr) return false;
  head_request_ = head.method == "HEAD";
  chunked_request_ = head.chunked;
  minor_version_ = head.minor_version;
  keep_alive_ = head.keep_alive;
  left_to_feed_ = head.content_length.value_or(0);
  fed_ = !head.has_body();
  write_head(head);
  flush();
  return true;
}

void Relay::write_head(const RequestHead& head) {
  to_upstream_.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  bool has_host = false;
  for (const HeaderField& field : head.all()) {
    if (is_hop_by_hop(field.name) || is_nominated(field.name, head.all())) continue;
    has_host = has_host || equals_ignoring_case(field.name, "host");
    to_upstream_.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  if (!has_host) to_upstream_.append("Host: localhost\r\n");
  if (head.chunked) {
    to_upstream_.append("Transfer-Encoding: chunked\r\n");
  } else if (head.content_length) {
    to_upstream_.append("Content-Length: ").append(std::to_string(left_to_feed_)).append("\r\n");
  }
  to_upstream_.append("\r\n");
}

HttpError Relay::feed(std::string_view& received) {
  while (wants_input() && !received.empty()) {
    if (!chunked_request_) {
      const auto taken = static_cast<std::size_t>(
          std::min<std::uint64_t>({received.size(), left_to_feed_, kMostQueued}));
      to_upstream_.append(received.substr(0, taken));
      received.remove_prefix(taken);
      left_to_feed_ -= taken;
      fed_ = left_to_feed_ == 0;
      continue;
    }
    std::string_view payload;
    const ChunkedDecoder::Step step = request_body_.step(received, payload);
    if (step == ChunkedDecoder::Step::kError) return request_body_.error();
    if (step == ChunkedDecoder::Step::kPayload) append_chunk(to_upstream_, payload);
    if (step == ChunkedDecoder::Step::kDone) {
      to_upstream_.append("0\r\n\r\n");
      fed_ = true;
    }
  }
  flush();
  return {};
}

void Relay::flush() {
  while (upstream_ != nullptr && flushed_ < to_upstream_.size()) {
    const ssize_t sent = ::send(upstream_->fd(), to_upstream_.data() + flushed_,
                                to_upstream_.size() - flushed_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    // A broken pipe is found by reading: the response may be there already.
    if (sent < 0) break;
    flushed_ += static_cast<std::size_t>(sent);
  }
  if (flushed_ == to_upstream_.size()) {
    to_upstream_.clear();
    flushed_ = 0;
  }
  watch();
}

void Relay::watch() {
  if (upstream_ == nullptr) return;
  loop_.watch(*upstream_, to_client_.size() < kMostQueued, !to_upstream_.empty());
}

void Relay::on_upstream(Events events) {
  if (events.writable) flush();
  if (events.readable || events.hung_up) receive();
  on_progress_();
}

void Relay::receive() {
  std::array<char, 16384> buffer;
  const ssize_t got = recv(upstream_->fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    if (state_ == State::kUntilClose) {
      end();
    } else if (!complete()) {
      fail();
    }
    keep_alive_ = upstream_reusable_ = false;
    fed_ = true;  // nobody wants the rest
    Upstream* gone = std::exchange(upstream_, nullptr);
    return pool_.give_back(*gone, false);
  }
  take_response({buffer.data(), static_cast<std::size_t>(got)});
  watch();
}

void Relay::take_response(std::string_view received) {
  while (!received.empty()) {
    switch (state_) {
      case State::kHead:
        take_head(received);
        break;
      case State::kLength: {
        const std::string_view payload =
            received.substr(0, std::min<std::uint64_t>(left_to_take_, received.size()));
        append_output(payload);
        received.remove_prefix(payload.size());
        left_to_take_ -= payload.size();
        if (left_to_take_ == 0) end();
        break;
      }
      case State::kChunked:
        take_chunks(received);
        break;
      case State::kUntilClose:
        append_output(received);
        return;
      default:  // more than the response: out of step
        upstream_reusable_ = keep_alive_ = false;
        return;
    }
  }
}

void Relay::take_head(std::string_view& received) {
  const std::size_t before = response_head_.size();
  response_head_.append(received);
  const std::size_t end = response_head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    received = {};
    if (response_head_.size() > kMaxResponseHead) fail();
    return;
  }
  received.remove_prefix(end + 4 - before);
  response_head_.resize(end + 4);
  if (!read_head(response_head_)) return fail();
  response_head_.clear();
}

// The client gets the same fields, but for those that concern the upstream connection.
bool Relay::read_head(std::string_view head) {
  const std::size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  int status = 0;
  if (line.size() < 12 || !line.starts_with("HTTP/1.") ||
      std::from_chars(line.data() + 9, line.data() + 12, status).ec != std::errc{}) {
    return false;
  }
  const bool interim = status < 200;
  if (interim) {
    if (minor_version_ > 0) to_client_.append(head);
    return true;
  }
  std::string fields;
  std::optional<std::uint64_t> length;
  bool chunked = false;
  for (std::string_view rest = head.substr(line_end + 2); rest != "\r\n";) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view field = rest.substr(0, end);
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = trimmed(field.substr(colon + 1));
    if (equals_ignoring_case(name, "content-length")) {
      std::uint64_t parsed = 0;
      const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
      if (error != std::errc{} || stop != value.data() + value.size()) return false;
      length = parsed;
    } else if (equals_ignoring_case(name, "transfer-encoding")) {
      chunked = equals_ignoring_case(value, "chunked");
    } else if (equals_ignoring_case(name, "connection")) {
      if (equals_ignoring_case(value, "close")) keep_alive_ = upstream_reusable_ = false;
    }
    if (!is_hop_by_hop(name)) {
      fields.append(field).append("\r\n");
    } else if (equals_ignoring_case(name, "content-length")) {
      fields.append(field).append("\r\n");  // where it stood: the same bytes as without the door
    }
    rest.remove_prefix(end + 2);
  }
  to_client_.append("HTTP/1.1").append(line.substr(8)).append("\r\n").append(fields);
  begin_body(status, length, chunked);
  return true;
}

void Relay::begin_body(int status, std::optional<std::uint64_t> length, bool chunked) {
  const bool without_body = head_request_ || status == 204 || status == 304;
  const bool open_ended = !without_body && !length;
  if (open_ended && minor_version_ == 0) keep_alive_ = false;  // the end is where we close
  if (open_ended && minor_version_ > 0) to_client_.append("Transfer-Encoding: chunked\r\n");
  if (!keep_alive_) {
    to_client_.append("Connection: close\r\n");
  } else if (minor_version_ == 0) {
    to_client_.append("Connection: keep-alive\r\n");
  }
  to_client_.append("\r\n");
  left_to_take_ = length.value_or(0);
  if (without_body || (length && *length == 0)) {
    end();
  } else {
    state_ = length ? State::kLength : chunked ? State::kChunked : State::kUntilClose;
  }
}

void Relay::take_chunks(std::string_view& received) {
  std::string_view payload;
  switch (response_body_.step(received, payload)) {
    case ChunkedDecoder::Step::kPayload:
      return append_output(payload);
    case ChunkedDecoder::Step::kDone:
      return end();
    case ChunkedDecoder::Step::kError:
      received = {};
      return fail();
    case ChunkedDecoder::Step::kMore:
      return;
  }
}

void Relay::append_output(std::string_view payload) {
  if (state_ == State::kLength || minor_version_ == 0) {
    to_client_.append(payload);
  } else {
    append_chunk(to_client_, payload);
  }
}

void Relay::end() {
  const bool chunked = state_ == State::kChunked || state_ == State::kUntilClose;
  if (chunked && minor_version_ > 0) to_client_.append("0\r\n\r\n");
  state_ = State::kDone;
}

void Relay::fail() {
  state_ = State::kFailed;
  keep_alive_ = upstream_reusable_ = false;
  if (!started_) to_client_.clear();
}

std::string_view Relay::output() const { return std::string_view(to_client_).substr(sent_); }

void Relay::sent(std::size_t bytes) {
  if (bytes == 0) return;
  started_ = true;
  sent_ += bytes;
  if (sent_ == to_client_.size()) {
    to_client_.clear();
    sent_ = 0;
    watch();
  }
}

void Relay::on_upstream_closed() {
  upstream_ = nullptr;
  if (!complete()) fail();
}

}  // namespace penstock::door
