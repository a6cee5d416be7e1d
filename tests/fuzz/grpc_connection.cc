// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A gRPC client's connection: HTTP/2 frames, calls, messages, with an engine behind them.
//
// Input: the bytes as they are, when they begin as a client's preface does; else what to do, step
// by step (see h2_script.h). What the connection answers must be
// well-formed frames, within a bound, without INTERNAL; in the end nothing is left of it.
#include "door/grpc_connection.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "h2_script.h"
#include "pieces.h"
#include "promise.h"
#include "support/plans.h"
#include "support/requests.h"

namespace penstock::fuzz {
namespace {

using namespace door;

constexpr std::size_t kFrameHeadBytes = 9;

class NoSocket final : public Handler {
 public:
  NoSocket() : Handler(eventfd(0, 0)) {}
  void on_events(Events) override {}
};

// What the connection says, frame by frame.
class Replies {
 public:
  Replies() {
    if (nghttp2_hd_inflate_new(&inflater_) != 0) throw std::bad_alloc();
    // The client may have asked for a table of any size.
    nghttp2_hd_inflate_change_table_size(inflater_, UINT32_MAX);
  }
  ~Replies() { nghttp2_hd_inflate_del(inflater_); }

  void feed(std::string_view bytes) {
    bytes_ += bytes.size();
    pending_.append(bytes);
    while (pending_.size() >= kFrameHeadBytes) {
      const auto at = [this](std::size_t i) { return static_cast<std::uint8_t>(pending_[i]); };
      const std::size_t size = at(0) << 16 | at(1) << 8 | at(2);
      if (pending_.size() < kFrameHeadBytes + size) return;
      take(at(3), at(4), std::string_view(pending_).substr(kFrameHeadBytes, size));
      pending_.erase(0, kFrameHeadBytes + size);
    }
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] bool whole() const { return pending_.empty() && block_.empty(); }

 private:
  void take(std::uint8_t type, std::uint8_t flags, std::string_view payload) {
    require(type <= NGHTTP2_CONTINUATION && type != NGHTTP2_PUSH_PROMISE, "a server's frame");
    require(block_.empty() || type == NGHTTP2_CONTINUATION, "a header block is not interrupted");
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_CONTINUATION) return;
    block_.append(payload);
    if ((flags & NGHTTP2_FLAG_END_HEADERS) == 0) return;
    take_block();
    block_.clear();
  }
  void take_block() {
    const auto* in = reinterpret_cast<const std::uint8_t*>(block_.data());
    std::size_t left = block_.size();
    for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
      nghttp2_nv field;
      const ssize_t taken = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, in, left, 1);
      require(taken >= 0, "a header block can be read");
      in += taken;
      left -= static_cast<std::size_t>(taken);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
      take_field(text_of(field.name, field.namelen), text_of(field.value, field.valuelen));
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    require(status_ != "13" || message_.starts_with("the message is compressed, but"),
            "a client's mistake is not INTERNAL");  // but for the one that gRPC calls so
    status_.clear();
    message_.clear();
  }
  void take_field(std::string_view name, std::string_view value) {
    if (name == "grpc-status") status_ = value;
    if (name == "grpc-message") message_ = value;
    require(name != ":status" || !value.starts_with('5'), "a client's mistake is not 5xx");
  }

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string pending_;
  std::string block_;
  std::string status_, message_;
  std::size_t bytes_ = 0;
};

// What lives as long as the program: the engine with its model, and what a loop shares.
struct Server {
  Server() {
    auto made = engine.create(std::make_shared<ModelPlan>(testing::pair_plan(4)));
    require(made.ok(), made.ok() ? "a model" : made.status().message());
    model = made.value();
    engine.publish("m", {model}, {});
    state.started = state.ready = true;
    options.compression = GrpcCompression::kGzip;
    options.limits.max_message_bytes = 64 << 10;
    options.limits.max_streams = 8;
  }
  ~Server() {
    engine.publish("m", {}, {});
    engine.retire(model, 0);
  }
  // Executes all that waits, IN -> OUT, on this thread. The last request is our own, so that next()
  // finds one even when all others are cancelled.
  void run_model() {
    Request* last = engine.acquire();
    require(last != nullptr && engine.bind(*last, "m", -1).ok(), "a request of our own");
    testing::add_input(*last, engine.pool(), "IN", DataType::kFp32, Shape{1, 2},
                       std::vector<float>{1, 2});
    last->completion = &own_completions;
    require(engine.submit(*last).ok(), "it is taken");
    for (bool done = false; !done;) {
      Batch batch;
      require(model->next(0, batch), "a batch");
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const InputTensor& input = batch.request(i).inputs[0];
        require(batch.set_output(i, 0, input.view, input.lease).ok(), "an answer");
        done = done || &batch.request(i) == last;
      }
      model->complete(0, batch);
    }
    require(own_completions.take_all() == &last->response, "ours is answered");
    engine.release(last);
  }
  Engine engine{EngineOptions{}};
  ModelVersionRef model;
  EventLoop loop{engine.clock()};
  GrpcDoorOptions options;
  GrpcState state;
  ByteBudget budget{256 << 10};
  LoopCounters counters;
  EndSignal ended;
  GrpcContext context{engine, loop, options, state, budget, counters, ended};
  NoSocket socket;
  WakeFd own_waker;
  CompletionRing own_completions{own_waker};
};

class Connection {
 public:
  explicit Connection(Server& server) : server_(server) {}

  void feed(std::string_view piece) {
    if (open_) open_ = connection_.receive(std::as_bytes(std::span(piece)));
    advance();
  }
  // The client is gone, with whatever is under way.
  void finish(std::size_t received) {
    settle();
    require(replies_.whole(), "what is said is said whole");
    require(replies_.bytes() <= 64 * received + 4096, "little is said to little");
    connection_.abandon();
    settle();
    require(connection_.call_count() == 0, "no call is left");
    output_.clear();
    require(server_.engine.in_flight() == 0, "no request is left");
    require(server_.budget.taken() == 0, "the budget is whole again");
  }

 private:
  void advance() {
    while (connection_.work()) {
    }
    server_.context.burst.flush();
    do {
      connection_.send(output_);
      std::array<iovec, 16> pieces;
      const int count = output_.gather(pieces);
      std::size_t size = 0;
      for (int i = 0; i < count; ++i) {
        replies_.feed({static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len});
        size += pieces[i].iov_len;
      }
      output_.advance(size);
    } while (!output_.empty());
  }
  // Until the core has answered everything.
  void settle() {
    advance();
    while (server_.model->statistics().pending > 0) {
      server_.run_model();
      deliver();
      advance();
    }
    deliver();  // what was refused before it was queued for long
    advance();
  }
  void deliver() {
    server_.loop.completions().disarm();
    CompletionNode* node = server_.loop.completions().take_all();
    while (node != nullptr) {
      CompletionNode* next = node->next;
      auto* response = static_cast<Response*>(node);
      auto* ticket = static_cast<Ticket*>(response->request->tag);
      connection_.answer(*static_cast<Inference*>(ticket), *response);
      node = next;
    }
  }

  Server& server_;
  GrpcConnection connection_{server_.context, server_.socket};
  H2Output output_;
  Replies replies_;
  bool open_ = true;
};

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  static Server server;
  const std::string_view input = text_of(data, size);
  const std::string bytes = input.starts_with("PRI") ? std::string(input) : Script(input).bytes();
  Connection connection(server);
  for_each_piece(bytes, Cut::kAnywhere, [&](std::string_view piece) { connection.feed(piece); });
  connection.finish(bytes.size());
  return 0;
}
