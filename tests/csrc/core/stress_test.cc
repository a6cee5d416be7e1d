// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Everything at once: several owners, schedulers and kinds of instance, versions published and
// retired under load, cancels and deadlines. Every request has exactly one outcome and in the end
// the books balance.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "penstock/engine.h"
#include "support/plans.h"
#include "support/requests.h"

namespace penstock {
namespace {

constexpr int kOwners = 3;
constexpr int kRequestsOfAnOwner = 20'000;
constexpr std::size_t kOutstanding = 24;
constexpr int kVersions = 60;
constexpr std::int64_t kMs = 1'000'000;

// OUT = 2 * IN; fails, now and then, a request or a batch.
void execute_doubled(Batch& batch, std::uint32_t luck) {
  batch.mark_exec_start();
  TensorView in;
  if (Status s = batch.gather(0, in); !s.ok()) return batch.fail_all(s);
  if (luck % 64 == 0) return batch.fail_all(internal_error("unlucky batch"));
  if (luck % 64 == 1) return;  // no answer at all
  const BufferLease lease = batch.allocate(in.size_bytes);
  const auto* from = reinterpret_cast<const float*>(in.data);
  auto* to = reinterpret_cast<float*>(lease->data);
  std::transform(from, from + in.size_bytes / sizeof(float), to, [](float x) { return 2 * x; });
  TensorView out = in;
  out.data = lease->data;
  batch.mark_exec_end();
  if (Status s = batch.scatter(0, out, lease); !s.ok()) return batch.fail_all(s);
  if (luck % 64 == 2) batch.fail(0, internal_error("unlucky request"));
}

class Unreliable final : public NativeInstance {
 public:
  explicit Unreliable(std::uint32_t seed) : random_(seed) {}
  void execute(Batch& batch) override {
    const auto luck = static_cast<std::uint32_t>(random_());
    if (luck % 64 == 3) throw std::runtime_error("thrown");
    if (luck % 64 == 4) throw 5;  // NOLINT: not everybody derives from std::exception
    execute_doubled(batch, luck);
  }

 private:
  std::mt19937 random_;
};

// What an owner knows of a request; reached through Request::tag.
struct Ticket {
  Request* request = nullptr;
  float value = 0;
  bool cancelled = false;
};

class Owner final : public Waker {
 public:
  Owner(Engine& engine, std::uint32_t seed) : engine_(engine), random_(seed), ring_(*this) {}
  void wake() noexcept override { woken_.release(); }

  void run() {
    for (int i = 0; i < kRequestsOfAnOwner; ++i) {
      submit(random_() % 2 == 0 ? "default" : "dynamic");
      if (random_() % 8 == 0) cancel_one();
      take();
      while (tickets_.size() >= kOutstanding) wait();
    }
    while (!tickets_.empty()) wait();
  }

  std::uint64_t accepted = 0;
  std::uint64_t answered = 0;

 private:
  void submit(const char* model) {
    Request* request = engine_.acquire();
    ASSERT_NE(request, nullptr);
    if (Status s = engine_.bind(*request, model, -1); !s.ok()) {
      EXPECT_NE(s.code(), Code::kInvalidArg) << s.message();
      return engine_.release(request);
    }
    auto ticket = std::make_unique<Ticket>(Ticket{request, static_cast<float>(random_() % 1000)});
    const auto rows = static_cast<std::int64_t>(1 + random_() % 3);
    testing::add_input<float>(
        *request, engine_.pool(), "IN", DataType::kFp32, Shape{rows, 2},
        std::vector<float>(static_cast<std::size_t>(rows) * 2, ticket->value));
    request->completion = &ring_;
    request->tag = ticket.get();
    if (random_() % 8 == 0) request->deadline_ns = engine_.clock().now_ns() + random_() % 100'000;
    if (random_() % 64 == 0) return engine_.release(request);  // a client that went away
    if (Status s = engine_.submit(*request); !s.ok()) {
      const bool late = request->deadline_ns != kNoDeadline;  // or full
      EXPECT_TRUE(s.code() == Code::kUnavailable || (late && s.code() == Code::kDeadlineExceeded))
          << s.message();
      return engine_.release(request);
    }
    ++accepted;
    tickets_.push_back(std::move(ticket));
  }
  void cancel_one() {
    if (tickets_.empty()) return;
    Ticket& ticket = *tickets_[random_() % tickets_.size()];
    ticket.cancelled = true;
    EXPECT_TRUE(engine_.cancel(ticket.request->handle()));
  }
  void wait() {
    ring_.arm();
    if (take() == 0) woken_.acquire();
  }
  int take() {
    int taken = 0;
    for (CompletionNode* node = ring_.take_all(); node != nullptr; ++taken) {
      auto& response = *static_cast<Response*>(node);
      node = node->next;
      settle(response);
    }
    return taken;
  }
  void settle(Response& response) {
    const auto is_its = [&](const auto& t) { return t.get() == response.request->tag; };
    const auto ticket = std::find_if(tickets_.begin(), tickets_.end(), is_its);
    ASSERT_NE(ticket, tickets_.end()) << "answered twice";
    ++answered;
    if (response.status.ok()) {
      ASSERT_EQ(response.outputs.size(), 1u);
      const TensorView& out = response.outputs[0].view;
      EXPECT_EQ(out.shape[0], response.request->batch_size);
      for (std::size_t i = 0; i < out.size_bytes / sizeof(float); ++i) {
        EXPECT_EQ(reinterpret_cast<const float*>(out.data)[i], 2 * (*ticket)->value);
      }
    } else if (response.status.code() == Code::kCancelled) {
      EXPECT_TRUE((*ticket)->cancelled);
    }
    engine_.release(response.request);
    tickets_.erase(ticket);
  }

  Engine& engine_;
  std::mt19937 random_;
  std::counting_semaphore<> woken_{0};
  CompletionRing ring_;
  std::vector<std::unique_ptr<Ticket>> tickets_;
};

// A version with one native instance and one that pulls, as those of Python do.
class Version {
 public:
  Version(Engine& engine, ModelPlan plan, std::int64_t number, bool pulled) {
    plan.version = number;
    plan.instance_count = 2;
    model = engine.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    const auto seed = static_cast<std::uint32_t>(number);
    model->start(0, std::make_unique<Unreliable>(seed));
    if (pulled) puller_ = std::thread([this, seed] { pull(seed); });
  }
  ~Version() { join(); }
  void join() {
    if (puller_.joinable()) puller_.join();
  }

  ModelVersionRef model;

 private:
  void pull(std::uint32_t seed) {
    std::mt19937 random(seed);
    Batch batch;
    while (model->next(1, batch)) {
      execute_doubled(batch, static_cast<std::uint32_t>(random()));
      model->complete(1, batch);
    }
  }
  std::thread puller_;
};

ModelPlan busy_plan(std::int64_t number) {
  ModelPlan plan = testing::dynamic_plan(6);
  plan.queue_capacity = 16;
  plan.dynamic.max_queue_delay_us = number % 3 == 0 ? 0 : 50;
  plan.dynamic.preserve_ordering = number % 4 == 0;
  plan.cached = number % 8 < 4;
  plan.dynamic.default_policy.default_timeout_us = number % 2 == 0 ? 0 : 200;
  plan.dynamic.default_policy.timeout_action =
      number % 5 == 0 ? TimeoutAction::kDelay : TimeoutAction::kReject;
  return plan;
}

TEST(EngineStress, EveryRequestHasOneOutcomeAndTheBooksBalance) {
  EngineOptions options;
  options.max_requests = 4096;
  options.cache_bytes = 8192;  // hits, misses and evictions
  Engine engine(options);
  std::vector<std::unique_ptr<Owner>> owners;
  std::vector<std::thread> threads;
  std::atomic<int> running{kOwners};
  std::vector<ModelVersionRef> retired;
  std::unique_ptr<Version> steady;
  std::unique_ptr<Version> busy;
  const auto swap_in = [&](std::int64_t number) {
    auto next_steady = std::make_unique<Version>(engine, testing::pair_plan(6), number, true);
    auto next_busy = std::make_unique<Version>(engine, busy_plan(number), number, number % 2 == 0);
    engine.publish("default", {next_steady->model}, {});
    engine.publish("dynamic", {next_busy->model}, {});
    for (auto* old : {&steady, &busy}) {
      if (*old == nullptr) continue;
      engine.retire((*old)->model, number % 2 == 0 ? 0 : 10'000 * kMs);
      (*old)->join();
      retired.push_back((*old)->model);
    }
    steady = std::move(next_steady);
    busy = std::move(next_busy);
  };
  swap_in(1);
  for (std::uint32_t i = 0; i < kOwners; ++i) {
    owners.push_back(std::make_unique<Owner>(engine, i));
    threads.emplace_back([&running, owner = owners.back().get()] {
      owner->run();
      --running;
    });
  }
  for (std::int64_t number = 2; number < kVersions || running.load() > 0; ++number) swap_in(number);
  for (auto& thread : threads) thread.join();
  for (auto& version : {&steady, &busy}) {
    engine.retire((*version)->model, 10'000 * kMs);
    (*version)->join();
    retired.push_back((*version)->model);
  }
  std::uint64_t accepted = 0;
  for (const auto& owner : owners) {
    EXPECT_EQ(owner->accepted, owner->answered);
    accepted += owner->accepted;
  }
  // Only now: a submit that met a retirement without patience is refused, and counted, after it.
  std::uint64_t counted = 0;
  for (const auto& model : retired) {
    const ModelStatistics stats = model->statistics();
    counted += stats.success.count + stats.fail.count;
    EXPECT_EQ(stats.pending, 0u);
  }
  EXPECT_EQ(counted, accepted);
  EXPECT_EQ(engine.in_flight(), 0u);
  EXPECT_EQ(engine.pool().stats().in_use_bytes, 0u);
}

}  // namespace
}  // namespace penstock
