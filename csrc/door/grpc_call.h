// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Inference and GrpcCall: a request in the core, and a stream of a client; pooled, one loop's.
//
// A unary call has one inference, a stream many, answered in their order; those of decoupled models
// are answered as their responses come, and each response but the final one is an inference of its
// own that holds the request's. An inference outlives its call: the core may still hold its request
// when the client is gone, and the output may still borrow the response's bytes when the stream is
// closed. So it is counted like a buffer (`keeper`), and goes back to its pool when nobody holds
// it: a response, when its bytes have left, which lets a model that waits for its reader go on.
// Thread safety: none. Nothing blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "door/compression.h"
#include "door/event_loop.h"
#include "door/fifo.h"
#include "door/grpc_framing.h"
#include "door/grpc_head.h"
#include "door/grpc_status.h"
#include "door/h2_session.h"
#include "penstock/engine.h"

namespace penstock::door {

struct GrpcCall;
class InferencePool;
struct PassedStream;

struct Inference : Ticket {
  enum class Stage : std::uint8_t { kRunning, kDeflating, kReady, kFailed };

  Stage stage = Stage::kRunning;
  Request* request = nullptr;
  Response* response = nullptr;  // of a decoupled request, not its final one
  BufferLease owner;             // of such a response: its request's inference
  GrpcCall* call = nullptr;      // null: the client does not wait any more
  bool decoupled = false;
  Status status;                   // of kFailed
  std::string id, model, version;  // of kFailed: the request's (G-25)
  Reply reply;
  std::string head;  // what goes before the reply
  std::string compressed;
  std::unique_ptr<Deflater> deflater;
  BudgetShare share;
  std::unique_ptr<GrpcMessage> waiting;  // the request, while its model is loaded
  BufferLease self;                      // held until the inference is answered and on its way

 private:
  friend class InferencePool;
  Buffer keeper_;
  InferencePool* pool_ = nullptr;
  Inference* next_free_ = nullptr;
};

// Must outlive every inference and every byte that they lent.
class InferencePool {
 public:
  explicit InferencePool(Engine& engine) : engine_(engine) {}
  ~InferencePool();
  InferencePool(const InferencePool&) = delete;
  InferencePool& operator=(const InferencePool&) = delete;
  // With `self` held.
  [[nodiscard]] Inference& take();

 private:
  static void give_back(Buffer* keeper) noexcept;

  Engine& engine_;
  Inference* free_ = nullptr;
};

struct GrpcCall final : H2Stream {
  GrpcHead head;
  MessageReader reader;
  Fifo<GrpcMessage> messages;          // received, not yet begun
  std::unique_ptr<Inflater> inflater;  // of the first of them
  Fifo<Inference*> inferences;         // in the order of the requests
  std::vector<Inference*> decoupled;   // in the core, and more responses may come
  Fifo<Inference*> responses;          // of those, in the order in which they came
  std::size_t unconsumed = 0;          // bytes that the client may not send again yet
  bool too_large = false;              // the header block
  bool head_done = false;              // the header block is complete
  bool ended = false;                  // the client has half-closed
  bool answered = false;               // nothing that still comes is looked at
  bool head_sent = false;
  bool working = false;  // in the connection's list of sliced work
  GrpcStatus status = GrpcStatus::kOk;
  std::string status_message;
  std::string retry_after_ms;      // empty: not known
  PassedStream* passed = nullptr;  // its counterpart at the upstream, until that has ended
  H2FieldList trailers;            // of an answer that was passed on
  std::int64_t begun_ns = 0;
  std::int64_t data_ns = 0;  // when bytes came last
  std::int64_t sent_ns = 0;  // when bytes went last, or could have gone first
  std::int64_t deadline_ns = kNoDeadline;
  std::uint64_t received_bytes = 0;
  std::size_t index = 0;  // in the connection's list

  void clear();
  // The first that is being compressed, if any is.
  [[nodiscard]] Inference* find_deflating();
  [[nodiscard]] std::size_t in_flight() const { return inferences.size() + decoupled.size(); }
};

class CallPool {
 public:
  [[nodiscard]] std::unique_ptr<GrpcCall> take();
  void give_back(std::unique_ptr<GrpcCall> call);

 private:
  static constexpr std::size_t kKept = 1024;
  std::vector<std::unique_ptr<GrpcCall>> idle_;
};

}  // namespace penstock::door
