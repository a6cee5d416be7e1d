// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/http_connection.h"

namespace penstock::load {

std::string http_request(const Options& options, const std::string& authority) {
  std::string text = (options.body ? "POST " : "GET ") + options.path + " HTTP/1.1\r\n";
  text += "host: " + authority + "\r\n";
  for (const auto& [name, value] : options.headers) text += name + ": " + value + "\r\n";
  if (options.body) text += "content-length: " + std::to_string(options.body->size()) + "\r\n";
  return text + "\r\n" + options.body.value_or("");
}

void HttpConnection::opened() {
  reader_.reset();
  unsent_bytes_ = 0;
  last_reply_ = false;
}

void HttpConnection::submit(std::int64_t due_ns) {
  due_ns_[(oldest_ + in_flight_) % due_ns_.size()] = due_ns;
  ++in_flight_;
  unsent_bytes_ += request_.size();
}

std::size_t HttpConnection::gather(iovec* spans, std::size_t most) {
  std::size_t left = unsent_bytes_;
  std::size_t count = 0;
  for (; left > 0 && count < most; ++count) {
    const std::size_t part = (left - 1) % request_.size() + 1;  // the first may be under way
    const char* begin = request_.data() + request_.size() - part;
    spans[count] = {const_cast<char*>(begin), part};
    left -= part;
  }
  return count;
}

void HttpConnection::sent(std::size_t bytes) { unsent_bytes_ -= bytes; }

bool HttpConnection::receive(std::string_view bytes, std::int64_t now) {
  while (!bytes.empty()) {
    switch (reader_.read(bytes)) {
      case HttpReplyReader::Result::kMore:
        break;
      case HttpReplyReader::Result::kReply:
        // With more behind it, the last one cannot be told to be the one that was asked for.
        if (in_flight_ == 0 || (in_flight_ == 1 && !bytes.empty())) {
          problem_ = "a reply that nobody asked for";
          return false;
        }
        end_answered(now);
        break;
      case HttpReplyReader::Result::kMalformed:
        problem_ = reader_.problem();
        return false;
    }
    if (last_reply_) break;
  }
  return true;
}

void HttpConnection::end_answered(std::int64_t now) {
  last_reply_ = reader_.closes();
  if (reader_.status() / 100 != 2) {
    end_oldest(Outcome::kStatus, "HTTP " + std::to_string(reader_.status()), now);
  } else if (!reader_.matches()) {
    end_oldest(Outcome::kWrong, "a body other than the expected one", now);
  } else {
    end_oldest(Outcome::kOk, {}, now);
  }
}

void HttpConnection::end_oldest(Outcome outcome, std::string_view why, std::int64_t now) {
  const std::int64_t due = due_ns_[oldest_];
  if (++oldest_ == due_ns_.size()) oldest_ = 0;
  --in_flight_;
  --state_.in_flight;
  state_.ended(due, now, outcome, why);
}

void HttpConnection::abandon(Outcome outcome, std::string_view why, std::int64_t now) {
  while (in_flight_ > 0) end_oldest(outcome, why, now);
}

bool HttpConnection::expire(std::int64_t limit, std::int64_t) {
  return in_flight_ == 0 || due_ns_[oldest_] >= limit;
}

}  // namespace penstock::load
