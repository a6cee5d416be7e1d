// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcConnection: unary gRPC calls over HTTP/2, framed by nghttp2.
// GrpcRequest: what all calls send: their header fields and the messages that they choose from,
// made once.
//
// Thread safety: none, one thread's; a GrpcRequest is const. Ownership: a connection owns its
// session and borrows the request. Nothing blocks.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "load/connection.h"
#include "load/grpc_output.h"
#include "load/grpc_reply.h"

namespace penstock::load {

class GrpcRequest {
 public:
  GrpcRequest(const Options& options, const std::string& authority);
  GrpcRequest(const GrpcRequest&) = delete;
  GrpcRequest& operator=(const GrpcRequest&) = delete;

  [[nodiscard]] const std::vector<nghttp2_nv>& fields() const { return fields_; }
  // Each with its length before it.
  [[nodiscard]] const std::vector<std::string>& messages() const { return messages_; }

 private:
  void add(std::string_view name, std::string_view value);
  void add_message(std::string_view message);

  const Options& options_;  // the fields point into it
  std::string authority_;
  std::vector<std::string> messages_;
  std::vector<nghttp2_nv> fields_;
};

class GrpcConnection final : public Connection {
 public:
  // `number`: of all connections, from 0.
  GrpcConnection(LoopState& state, const GrpcRequest& request, unsigned number);

 private:
  struct Call {
    Call(GrpcConnection& connection, const Options& options, std::string_view own)
        : owner(connection), reply(options.expected, options.replies), message(own) {}
    GrpcConnection& owner;
    GrpcReplyReader reply;
    std::int64_t due_ns = 0;
    std::string_view message;
    std::size_t sent = 0;  // bytes of it
    std::int32_t stream = -1;
    int http_status = 0;
    int grpc_status = -1;
    std::string grpc_message;
    bool ended = true;  // counted; it stays in use until its stream is closed
  };

  void opened() override;
  void submit(std::int64_t due_ns) override;
  bool receive(std::string_view bytes, std::int64_t now) override;
  std::size_t gather(iovec* spans, std::size_t most) override;
  void sent(std::size_t bytes) override { output_.sent(bytes); }
  [[nodiscard]] bool has_free_stream() const override;
  [[nodiscard]] Outcome end_seen() const override;
  void abandon(Outcome outcome, std::string_view why, std::int64_t now) override;
  bool expire(std::int64_t limit, std::int64_t now) override;

  void on_field(Call& call, std::string_view name, std::string_view value);
  void on_closed(Call& call, std::uint32_t error);
  void end(Call& call, Outcome outcome, std::string_view why, std::int64_t now);
  // Perhaps one of those in flight.
  void cancel_some(std::int64_t now);
  ssize_t read_message(Call& call, std::size_t most, std::uint32_t* flags);
  int send_message(Call& call, std::string_view frame_head, std::size_t size);

  static nghttp2_session_callbacks* callbacks();

  struct SessionEnd {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  const GrpcRequest& request_;
  std::unique_ptr<nghttp2_session, SessionEnd> session_;
  GrpcOutput output_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> free_;
  std::int64_t now_ = 0;  // of what is received
};

}  // namespace penstock::load
