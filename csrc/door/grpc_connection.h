// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcConnection: a client's connection, sans I/O: bytes in, calls served, frames out.
//
// The socket that owns it feeds receive(), answer() and tick(), and takes output by send().
// Thread safety: none, one loop's. Ownership: it owns its calls; inferences that the core still
// holds when it goes are cancelled by abandon() and come back through answer(). Nothing blocks;
// compression is done in slices by work().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "door/bounds.h"
#include "door/event_loop.h"
#include "door/grpc_call.h"
#include "door/h2_guard.h"
#include "door/h2_session.h"
#include "penstock/codec.h"
#include "penstock/engine.h"
#include "penstock/grpc_door.h"

namespace penstock::door {

class GrpcSocket;
class GrpcUpstream;

// Tells who waits for the last call or connection to end.
class EndSignal {
 public:
  void notify() {
    { std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }
  template <typename Condition>
  bool wait(std::int64_t timeout_ns, Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

// What the control plane says of the server. Each flag stands alone.
struct GrpcState {
  std::atomic<bool> started{false};   // the models of the start are loaded (H-24)
  std::atomic<bool> ready{false};     // G-2
  std::atomic<bool> exiting{false};   // G-1
  std::atomic<bool> refusing{false};  // no new calls (G-29)
};

// What the connections of one loop share.
struct GrpcContext {
  GrpcContext(Engine& served, EventLoop& own, const GrpcDoorOptions& chosen, const GrpcState& live,
              ByteBudget& bytes, LoopCounters& counts, EndSignal& signal)
      : engine(served),
        loop(own),
        options(chosen),
        has_rules(chosen.rules.any()),
        state(live),
        budget(bytes),
        counters(counts),
        ended(signal) {
    loop.at_round_end([this] { burst.flush(); });
  }

  Engine& engine;
  EventLoop& loop;
  const GrpcDoorOptions& options;
  const bool has_rules;
  const GrpcState& state;
  ByteBudget& budget;
  LoopCounters& counters;
  EndSignal& ended;  // used only while GrpcState::refusing
  GrpcCodec codec{engine.pool(), {}, &engine.regions()};
  SubmitBurst burst{engine};  // instances are woken once a round
  InferencePool inferences{engine};
  CallPool calls;
  H2Landing landing;
  std::vector<GrpcSocket*> sockets;  // the open ones
  std::vector<H2Field> fields;       // scratch
  GrpcUpstream* upstream = nullptr;  // none: what is not answered here is not known
};

class GrpcConnection final : private H2Events {
 public:
  // `socket` is pinned for every request that the core holds.
  GrpcConnection(GrpcContext& context, Handler& socket);
  ~GrpcConnection() override;

  // False: nothing that still comes is looked at; send what there is, then close.
  bool receive(ByteSpan bytes);
  [[nodiscard]] H2Expected expected() { return session_.expected(); }
  void send(H2Output& output) { session_.send(output); }
  [[nodiscard]] bool wants_send() const { return session_.wants_send(); }
  // Everything is said, and nothing will come.
  [[nodiscard]] bool over() const;
  // A response of the core to a request of this connection; also after abandon().
  void answer(Inference& inference, Response& response);
  // A slice of what takes long; true: there is more to do.
  bool work();
  // Does what is due; the next time is next_tick(). False: the connection is to be closed now.
  bool tick();
  [[nodiscard]] std::int64_t next_tick() const { return next_tick_ns_; }
  // No new calls: GOAWAY, twice, as RFC 9113 6.8 has it.
  void drain();
  // Says no more than what is ready, then is over.
  void end();
  // The socket is gone.
  void abandon();
  [[nodiscard]] std::size_t call_count() const { return calls_.size(); }

  // ---- for the upstream ----
  [[nodiscard]] H2Session& session() { return session_; }
  [[nodiscard]] BufferPool& pool() { return context_.engine.pool(); }
  [[nodiscard]] ByteBudget& budget() { return context_.budget; }
  // Frames may have become ready outside of receive() and answer().
  void wake() { context_.loop.defer(socket_); }
  void fail(GrpcCall& call, GrpcStatus status, std::string_view message);
  void fail(GrpcCall& call, const Status& status);

 private:
  static constexpr std::size_t kMaxInFlight = 256;         // requests of one stream
  static constexpr std::size_t kMaxQueuedBytes = 1 << 20;  // unread responses of one stream
  static constexpr std::int64_t kHousekeepingNs = 5'000'000'000;

  H2Stream* on_opened() override;
  void on_field(H2Stream& stream, std::string_view name, std::string_view value) override;
  void on_headers_too_large(H2Stream& stream) override;
  void on_headers(H2Stream& stream, bool trailers, bool end) override;
  void on_data(H2Stream& stream, ByteSpan bytes) override;
  std::span<std::byte> room(H2Stream& stream, BufferLease& lease) override;
  void on_end(H2Stream& stream) override;
  void on_sent(H2Stream& stream) override;
  void on_last_data(H2Stream& stream) override;
  void on_closed(H2Stream& stream, H2Error error) override;
  bool on_noise(H2Noise noise) override;
  void on_ping_answered() override;
  void on_frame_sent() override { guard_.sent(); }

  // grpc_connection.cc: calls
  [[nodiscard]] bool refuse_head(GrpcCall& call);
  void refuse_http(GrpcCall& call, std::string_view http_status);
  void read_messages(GrpcCall& call, ByteSpan bytes);
  void cancel_inferences(GrpcCall& call);
  void close_call(GrpcCall& call);
  // grpc_timers.cc
  void start_clock();
  void tick_calls();
  void tick_call(GrpcCall& call);
  [[nodiscard]] bool tick_keepalive();
  void schedule(std::int64_t when_ns);
  // grpc_serve.cc: messages
  void process(GrpcCall& call);
  [[nodiscard]] bool held(GrpcCall& call);
  void serve(GrpcCall& call, GrpcMessage message);
  void serve_control(GrpcCall& call, const GrpcMessage& message);
  [[nodiscard]] Status model_ready(const GrpcCodec::Target& target, bool& ready);
  void infer(GrpcCall& call, GrpcMessage message);
  [[nodiscard]] Status submit(GrpcCall& call, GrpcMessage& message, Inference& inference);
  void go_on(GrpcCall& call, Inference& inference, Response& response);
  void refuse_inference(GrpcCall& call, Inference& inference, Status status, ByteSpan message);
  void finish_stream(GrpcCall& call);
  // grpc_metadata.cc: headers that are not the protocol's own
  [[nodiscard]] bool admit(GrpcCall& call);
  [[nodiscard]] Status take_metadata(const GrpcCall& call, Request& request);
  // grpc_reply.cc: answers
  void take_response(GrpcCall& call, Inference& inference, Response& response);
  void encode(GrpcCall& call, Inference& inference, const Response& response);
  void settle(GrpcCall& call);
  void send_ready(GrpcCall& call, Fifo<Inference*>& queue);
  void begin_deflating(Inference& inference);
  [[nodiscard]] Encoding reply_encoding(const GrpcCall& call) const;
  void send_reply(GrpcCall& call, Inference& inference, const BufferLease& self);
  void send_message(GrpcCall& call, std::string_view message);
  void send_failure(GrpcCall& call, Inference& inference, const BufferLease& self);
  void send_head(GrpcCall& call);
  void start_work(GrpcCall& call);
  [[nodiscard]] bool inflate_slice(GrpcCall& call);
  [[nodiscard]] bool deflate_slice(GrpcCall& call);

  GrpcContext& context_;
  Handler& socket_;
  H2Guard guard_;
  H2Session session_;
  std::vector<std::unique_ptr<GrpcCall>> calls_;
  std::vector<GrpcCall*> working_;
  std::int64_t opened_ns_;
  std::int64_t received_ns_;
  std::int64_t pinged_ns_ = 0;  // a keepalive PING is on its way
  std::int64_t next_tick_ns_ = kNoDeadline;
  std::int64_t drained_ns_ = 0;  // when the first GOAWAY was sent
  std::int64_t max_age_ns_ = 0;
  bool greeted_ = false;
  bool last_goaway_sent_ = false;
};

}  // namespace penstock::door
