// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// InferExchange: one POST .../infer, from its head to its reply (H-8, H-31..H-35).
//
// The connection brings the bytes and sends the reply; this is all between: what the head says, the
// decompressed body, the request in the core, the (compressed) answer. Thread safety: the loop's
// thread. Ownership: of the request while it is not in the core; tensors of a reply live until
// reset(). Nothing blocks: long work is done in slices.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "door/compression.h"
#include "door/http_context.h"
#include "door/router.h"

namespace penstock::door {

class InferExchange {
 public:
  // What the connection has to do next.
  enum class Next : std::uint8_t {
    kReply,  // the reply is set
    kWait,   // for the response
    kTurn,   // call turn() after the others have had theirs
  };

  InferExchange(HttpContext& context, Handler& connection) : context_(context) {
    ticket_.handler = &connection;
  }
  ~InferExchange() { reset(); }
  InferExchange(const InferExchange&) = delete;
  InferExchange& operator=(const InferExchange&) = delete;

  // False: the head alone is refused, the reply is set. What is kept of the head is borrowed.
  bool begin(const Route& route, const RequestHead& head, std::int64_t received_ns,
             Outgoing& reply);
  // Where the binary data of a body of this length begins, if that can be told.
  [[nodiscard]] std::optional<std::uint64_t> json_bytes(std::uint64_t content_length) const;
  // The body is complete. It is borrowed until the reply is set or the response waited for.
  [[nodiscard]] Next run(ByteSpan body, const BufferLease& owner, Outgoing& reply);
  [[nodiscard]] Next turn(Outgoing& reply);
  [[nodiscard]] Next finish(Outgoing& reply);
  [[nodiscard]] bool in_core() const { return in_core_; }
  // Is turn() to be called? A turn may have been asked for by somebody else.
  [[nodiscard]] bool wants_turn() const { return !in_core_ && (inflater_ || deflater_); }
  // The response is back: the request is ours again.
  void returned() { in_core_ = false; }
  // Nobody waits any more (H-30).
  void cancel();
  // Gives everything back; the request must not be in the core.
  void reset();

 private:
  [[nodiscard]] Status take_headers(const RequestHead& head);
  [[nodiscard]] Status submit(ByteSpan body, const BufferLease& owner);
  [[nodiscard]] Next inflate(Outgoing& reply);
  [[nodiscard]] Next deflate(Outgoing& reply);
  [[nodiscard]] Next go_on(Outgoing& reply);

  HttpContext& context_;
  Ticket ticket_;
  Request* request_ = nullptr;
  bool in_core_ = false;
  bool waits_ = false;  // for its model to be loaded; then what follows is kept
  ByteSpan body_;
  BufferLease owner_;
  bool compressed_ = false;
  Encoding accepted_ = Encoding::kIdentity;
  std::int64_t received_ns_ = 0;
  std::string_view model_;
  std::string_view version_;
  std::string_view header_length_;
  std::string_view trace_context_;
  std::vector<HeaderField> forwarded_;  // 1.15
  std::string_view deadline_;
  std::optional<Inflater> inflater_;
  std::optional<Deflater> deflater_;
};

}  // namespace penstock::door
