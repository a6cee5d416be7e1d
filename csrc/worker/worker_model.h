// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// WorkerModel: the model version as its worker process sees it: batches come from the server,
// formed, and go back answered.
//
// Thread safety: next() and complete() from one thread at a time; responses of decoupled requests
// from any. Ownership: the requests of its batches, until they are answered. next() blocks until
// the server sends something, begin_response() until the client has taken enough.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "penstock/engine.h"
#include "worker/answer_message.h"
#include "worker/batch_message.h"
#include "worker/channel.h"
#include "worker/inbox.h"

namespace penstock {

class WorkerModel final : public ModelVersion,
                          public ResponseSink,
                          public std::enable_shared_from_this<WorkerModel> {
 public:
  // `engine` has the pool of the blocks that the server reads.
  WorkerModel(std::shared_ptr<const ModelPlan> plan, std::shared_ptr<Engine> engine,
              std::shared_ptr<worker::SharedMemory> memory);

  // Its model's calls of other models; it must outlive them.
  [[nodiscard]] const std::shared_ptr<worker::Inbox>& inbox() const { return inbox_; }
  [[nodiscard]] const ModelPlan& plan() const override { return *plan_; }
  // The server counts.
  [[nodiscard]] ModelStatistics statistics() const override { return {}; }
  [[nodiscard]] LatencySummary summary(Latency /*latency*/,
                                       std::span<const double> /*quantiles*/) const override {
    return {};
  }
  [[nodiscard]] bool next(std::uint32_t index, Batch& batch) override;
  void complete(std::uint32_t index, Batch& batch) override;
  // Native instances run in the server.
  void start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) override;
  [[nodiscard]] Status warm_up(std::uint32_t index,
                               std::span<const std::vector<WarmUpInput>> requests) override;
  [[nodiscard]] std::uint32_t instance_limit() const override { return 1; }
  [[nodiscard]] Status end_instance(std::uint32_t index) override;
  [[nodiscard]] Status health() const override { return {}; }
  void set_problem(std::string) override {}

  [[nodiscard]] Result<Response*> begin_response(Request& request) override;
  [[nodiscard]] Result<Response*> try_begin_response(Request& request) override;
  void send(Request& request, Response* response) override;
  void finish(Request& request, Response* last, Status status) override;

 private:
  [[nodiscard]] bool take_batch(Batch& batch);
  void add_rows(Batch& batch);
  void write_answers(Batch& batch);
  [[nodiscard]] worker::RowAnswer answer_kind(Batch& batch, std::size_t row) const;
  void post(worker::MessageKind kind, std::uint64_t id, const std::vector<std::byte>& bytes);
  void post_response(const Request& request, const Response& response, bool final);
  // The batch, or the responder, needs the request no more.
  void let_go(Request& request);
  void give_back(Request& request);

  const std::shared_ptr<const ModelPlan> plan_;
  const std::shared_ptr<Engine> engine_;
  RequestPool requests_;
  ResponsePool responses_;
  worker::Channel channel_;
  const std::shared_ptr<worker::Inbox> inbox_;
  worker::Message message_;
  std::vector<worker::WorkerRow> rows_;
  std::vector<InputTensor> no_states_;
  std::uint64_t batch_number_ = 0;
  std::vector<std::byte> scratch_;
  std::vector<std::uint32_t> sent_;  // by cell: responses that were no final one
  std::mutex responses_mutex_;
  std::vector<std::byte> response_scratch_;  // under responses_mutex_
};

}  // namespace penstock
