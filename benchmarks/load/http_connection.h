// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HttpConnection: HTTP/1.1 with one or more requests in flight, pipelined.
// http_request() makes the bytes of the request once for all of them.
//
// Thread safety: none, one thread's. Ownership: borrows the request's bytes. Nothing blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "load/connection.h"
#include "load/http_reply.h"

namespace penstock::load {

std::string http_request(const Options& options, const std::string& authority);

class HttpConnection final : public Connection {
 public:
  HttpConnection(LoopState& state, const std::string& request)
      : Connection(state),
        request_(request),
        reader_(state.options.expected),
        due_ns_(state.options.streams) {}

 private:
  void opened() override;
  void submit(std::int64_t due_ns) override;
  bool receive(std::string_view bytes, std::int64_t now) override;
  std::size_t gather(iovec* spans, std::size_t most) override;
  void sent(std::size_t bytes) override;
  [[nodiscard]] bool has_free_stream() const override {
    return !last_reply_ && in_flight_ < due_ns_.size();
  }
  [[nodiscard]] Outcome end_seen() const override {
    return last_reply_ ? Outcome::kClosed : Outcome::kOk;
  }
  void abandon(Outcome outcome, std::string_view why, std::int64_t now) override;
  bool expire(std::int64_t limit, std::int64_t now) override;

  void end_oldest(Outcome outcome, std::string_view why, std::int64_t now);
  void end_answered(std::int64_t now);

  const std::string& request_;
  HttpReplyReader reader_;
  std::vector<std::int64_t> due_ns_;  // a ring of those in flight
  std::size_t oldest_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t unsent_bytes_ = 0;  // the end of the newest requests, all of the same bytes
  bool last_reply_ = false;       // it said Connection: close
};

}  // namespace penstock::load
