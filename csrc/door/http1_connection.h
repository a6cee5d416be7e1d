// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Http1Connection: one client's HTTP/1.1 connection, from its bytes to its replies.
//
// One request at a time: what a client sends ahead waits in the receive buffer, so that replies
// are in order whoever makes them. The buffer is leased only while it holds something; an idle
// connection has none. A request's tensors are views of it: it is then left to them.
//
//   kHead -> kBody -> kInfer -> kSending -> kHead ...
//        \-> kRelay ------------------/ \-> kLinger -> closed
//
// Thread safety: the loop's thread. Ownership: the loop owns it. Nothing blocks.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "door/body_receiver.h"
#include "door/http1_parser.h"
#include "door/http_context.h"
#include "door/infer_exchange.h"
#include "door/relay.h"
#include "door/router.h"

namespace penstock::door {

class Http1Connection final : public Handler {
 public:
  Http1Connection(int fd, HttpContext& context);

  void on_events(Events events) override;
  void on_timer() override;
  void on_turn() override;
  void on_response(Response& response) override;
  void on_close() override;

 private:
  enum class State : std::uint8_t { kHead, kBody, kInfer, kRelay, kSending, kLinger };

  // ---- bytes in ----
  void on_readable();
  void receive();
  void drop_input();
  bool make_room();
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] std::string_view received() const;
  void take(std::size_t bytes) { in_begin_ += bytes; }
  void on_end_of_input();
  bool send_continue();

  // ---- what they mean ----
  void advance();
  bool take_head();
  void wait_for_head();
  void begin_request(const RequestHead& head);
  [[nodiscard]] bool admit(const RequestHead& head, RouteKind kind);
  bool deny(const RequiredHeader& required);
  void begin_infer(const RequestHead& head, const Route& route);
  bool take_expectation(const RequestHead& head);
  void reply_after_body(const RequestHead& head);
  void set_health(const Route& route);
  void set_model_ready(const Route& route);
  bool take_body();
  void follow(InferExchange::Next next);

  // ---- passing on ----
  void begin_relay(const RequestHead& head);
  bool pump();
  bool send_relayed();
  void wait_for_relay();

  // ---- bytes out, and the end ----
  void refuse(const HttpError& error);
  void refuse_too_large(std::uint64_t size);
  void reply();
  void send_on();
  void finish_request();
  void end_request();
  void linger();
  Outgoing& outgoing();

  // ---- time ----
  void begin_phase();
  void set_rate_timer(std::int64_t stall_ns, std::int64_t grace_ns);

  HttpContext& context_;
  State state_ = State::kHead;
  bool in_request_ = false;
  bool keep_alive_ = true;
  bool unread_input_ = false;  // closing at once would reset the connection under the reply
  bool end_of_input_ = false;
  std::uint8_t minor_version_ = 1;
  BufferLease in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  HeadScanner scanner_;
  BufferLease head_;                 // keeps what is borrowed of the request's head
  std::int64_t began_ns_ = 0;        // when the first byte of the request came; 0: not yet
  std::int64_t phase_began_ns_ = 0;  // of receiving a body, or sending a reply: for its rate
  std::uint64_t phase_bytes_ = 0;
  BodyReceiver body_;
  InferExchange infer_;
  std::unique_ptr<Outgoing> reply_;
  std::unique_ptr<Relay> relay_;
};

}  // namespace penstock::door
