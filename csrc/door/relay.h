// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Relay: one request passed on to the upstream server, and its response back, both as streams.
//
// Messages are taken apart and framed anew, never copied through: what the upstream reads as one
// request is what was read as one here, so nothing can be smuggled. Fields that concern one
// connection only stop here. Both directions are bounded; a slow reader stops its writer. Thread
// safety: the loop's thread. Ownership: the connection owns its relay, which holds an upstream
// while it lives. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "door/chunked_body.h"
#include "door/http1_parser.h"
#include "door/upstream.h"

namespace penstock::door {

class Relay final : public UpstreamUser {
 public:
  // `on_progress` is called when there is output, room for input, or an end. It must not destroy
  // the relay.
  Relay(EventLoop& loop, UpstreamPool& pool, std::function<void()> on_progress);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // False: there is no upstream.
  bool begin(const RequestHead& head);
  // Takes what belongs to the request's body off the front, as much as there is room for.
  [[nodiscard]] HttpError feed(std::string_view& received);
  [[nodiscard]] bool wants_input() const { return !fed_ && to_upstream_.size() < kMostQueued; }
  // The request's body is complete.
  [[nodiscard]] bool fed() const { return fed_; }
  // What is to be sent to the client.
  [[nodiscard]] std::string_view output() const;
  void sent(std::size_t bytes);
  // Everything of the response is in output().
  [[nodiscard]] bool complete() const { return state_ == State::kDone; }
  // The upstream went away before it had answered whole.
  [[nodiscard]] bool failed() const { return state_ == State::kFailed; }
  // Has any of the response been given out?
  [[nodiscard]] bool started() const { return started_; }
  // The client's connection may be used on after this response.
  [[nodiscard]] bool keep_alive() const { return keep_alive_ && fed_; }

  void on_upstream(Events events) override;
  void on_upstream_closed() override;

 private:
  static constexpr std::size_t kMostQueued = 64 << 10;
  enum class State : std::uint8_t { kHead, kLength, kChunked, kUntilClose, kDone, kFailed };

  void write_head(const RequestHead& head);
  void flush();
  void receive();
  void watch();
  void take_response(std::string_view received);
  void take_head(std::string_view& received);
  bool read_head(std::string_view head);
  void begin_body(int status, std::optional<std::uint64_t> length, bool chunked);
  void take_chunks(std::string_view& received);
  void append_output(std::string_view payload);
  void end();
  void fail();

  EventLoop& loop_;
  UpstreamPool& pool_;
  const std::function<void()> on_progress_;
  Upstream* upstream_ = nullptr;
  // the request
  bool head_request_ = false;
  bool chunked_request_ = false;
  bool fed_ = false;
  int minor_version_ = 1;
  std::uint64_t left_to_feed_ = 0;
  ChunkedDecoder request_body_;
  std::string to_upstream_;
  std::size_t flushed_ = 0;
  // the response
  State state_ = State::kHead;
  bool started_ = false;
  bool keep_alive_ = true;
  bool upstream_reusable_ = true;
  std::uint64_t left_to_take_ = 0;
  ChunkedDecoder response_body_{UINT64_MAX};
  std::string response_head_;
  std::string to_client_;
  std::size_t sent_ = 0;
};

}  // namespace penstock::door
