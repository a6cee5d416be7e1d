// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcUpstream: the calls that are passed on, over one HTTP/2 connection to the gRPC server on the
// Unix socket.
//
// Fields, messages, trailers, resets and flow control go through as they come, both ways: what one
// side has not taken, the other may not send. Thread safety: none, one loop's. Ownership: its
// streams; the link (the socket) belongs to the loop and is opened when it is needed. Nothing
// blocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "door/event_loop.h"
#include "door/grpc_call.h"
#include "door/h2_landing.h"
#include "door/h2_output.h"
#include "door/h2_session.h"

namespace penstock::door {

class GrpcConnection;
class GrpcUpstreamLink;
struct GrpcContext;

// The upstream half of a call that is passed on, until either side has ended it.
struct PassedStream final : H2Stream {
  GrpcUpstreamLink* link = nullptr;
  GrpcCall* call = nullptr;  // null: ended
  GrpcConnection* connection = nullptr;
  H2FieldList fields;          // of the answer, then of its trailers
  std::size_t unconsumed = 0;  // bytes that the upstream may not send again yet
  std::size_t charged = 0;     // bytes of the queue, as the budget has them
  std::size_t index = 0;
};

class GrpcUpstream {
 public:
  GrpcUpstream(EventLoop& loop, std::string path);
  // The call's head is complete: passes it on. False: there is no upstream now.
  bool begin(GrpcConnection& connection, GrpcCall& call, bool end);

  // ---- of calls that are passed on ----
  static void data(GrpcCall& call, ByteSpan bytes);
  static void end(GrpcCall& call);
  // Some of the answer went to the client.
  static void sent(GrpcCall& call);
  // The client's stream is closed.
  static void cancel(GrpcCall& call);

 private:
  friend class GrpcUpstreamLink;
  bool connect();

  EventLoop& loop_;
  const std::string path_;
  GrpcUpstreamLink* link_ = nullptr;  // the loop owns it
  H2Landing landing_;
};

}  // namespace penstock::door
