// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Random days in the life of a whole engine, each from a seed, on a manual clock and one thread:
// ensembles (S-40..S-49) over models of several schedulers, one of them decoupled, clients that
// cancel, are late or read slowly, models that fail. Whatever happens, everybody gets one final
// answer, nobody runs in vain, and the books balance.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/served_model.h"
#include "support/engine_fixture.h"
#include "support/plans.h"
#include "support/requests.h"
#include "support/seeds.h"

namespace penstock {
namespace {

constexpr int kSeeds = 10'000;
constexpr int kSteps = 120;
constexpr std::int64_t kUs = 1000;
constexpr std::size_t kOutstanding = 40;

// A model that adds its number to what it is given. A decoupled one does so any number of times.
struct SimulatedModel {
  std::string name;
  float adds = 0;
  std::shared_ptr<ServedModel> served;
  std::vector<std::unique_ptr<Batch>> executing;      // by instance
  std::vector<std::pair<Responder, int>> responding;  // and how many responses are to come
  std::uint64_t started = 0;
};

// What the client knows of a request; reached through Request::tag.
struct Ticket {
  Request* request = nullptr;
  std::size_t model = 0;  // kEnsemble: the ensemble
  float value = 0;
  bool cancelled = false;
  std::int64_t deadline_ns = kNoDeadline;
  std::vector<Response*> unread;
  bool final = false;
};

struct Books {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;  // of these
};

class Nobody final : public Waker {
 public:
  void wake() noexcept override {}
};

class EngineSimulation {
 public:
  explicit EngineSimulation(std::uint64_t seed) : random_(seed), engine_(options()) {
    for (std::size_t i = 0; i < kModels; ++i) add_model(i);
    add_ensemble();
  }
  ~EngineSimulation() {
    for (auto& model : models_) {
      model.responding.clear();
      for (auto& batch : model.executing) {
        if (!batch->empty()) batch->fail_all(internal_error("the end"));
        model.served->complete(0, *batch);
      }
    }
  }

  // What went wrong; empty: nothing did.
  std::string run() {
    for (int i = 0; i < kSteps && error_.empty(); ++i) step(true);
    for (int i = 0; i < 50 * kSteps && error_.empty() && engine_.in_flight() > 0; ++i) step(false);
    if (error_.empty() && engine_.in_flight() > 0) error_ = "does not come to its end";
    if (error_.empty()) check_books();
    return error_;
  }

 private:
  static constexpr std::size_t kModels = 3;  // the last one is decoupled
  static constexpr std::size_t kEnsemble = kModels;

  EngineOptions options() {
    EngineOptions options;
    options.clock = &clock_;
    options.max_requests = static_cast<std::uint32_t>(20 + below(100));
    return options;
  }
  std::int64_t below(std::int64_t n) {
    return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_);
  }
  bool chance(int percent) { return below(100) < percent; }
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  // ---- models ----
  ModelPlan random_plan(std::size_t index) {
    ModelPlan plan = testing::pair_plan(1 + below(4));
    plan.name = std::string(1, static_cast<char>('a' + index));
    plan.queue_capacity = static_cast<std::uint32_t>(4 + below(24));
    plan.instance_count = static_cast<std::uint32_t>(1 + below(2));
    plan.decoupled = index + 1 == kModels;
    plan.response_capacity = static_cast<std::uint32_t>(1 + below(3));
    if (chance(40)) return plan;
    plan.scheduler = SchedulerKind::kDynamic;
    if (chance(50)) plan.dynamic.max_queue_delay_us = static_cast<std::uint64_t>(1 + below(50));
    if (chance(40)) plan.dynamic.default_policy.default_timeout_us = 200;
    plan.dynamic.preserve_ordering = !plan.decoupled && chance(30);
    if (!chance(40)) return plan;
    plan.dynamic.priority_levels = 2;
    plan.dynamic.default_priority_level = 2;
    plan.dynamic.level_policies.resize(2);
    return plan;
  }
  std::shared_ptr<ServedModel> publish(ModelPlan plan) {
    auto made = engine_.create(std::make_shared<ModelPlan>(plan));
    EXPECT_TRUE(made.ok()) << made.status().message();
    engine_.publish(plan.name, {made.value()}, {});
    return std::static_pointer_cast<ServedModel>(made.value());
  }
  void add_model(std::size_t index) {
    SimulatedModel& model = models_[index];
    ModelPlan plan = random_plan(index);
    model.name = plan.name;
    model.adds = static_cast<float>(1 << (4 * index));
    for (std::uint32_t i = 0; i < plan.instance_count; ++i) {
      model.executing.push_back(std::make_unique<Batch>());
    }
    model.served = publish(std::move(plan));
  }
  // A random tree of steps; each adds its model's number to one that is there already.
  void add_ensemble() {
    ModelPlan plan = testing::pair_plan(4);
    plan.name = "e";
    plan.scheduler = SchedulerKind::kEnsemble;
    plan.queue_capacity = static_cast<std::uint32_t>(1 + below(16));
    plan.response_capacity = static_cast<std::uint32_t>(1 + below(3));
    plan.ensemble.max_inflight_requests = static_cast<std::uint32_t>(below(4));
    const bool streams = chance(40);
    plan.decoupled = streams;
    plan.outputs[0].name = "T0";
    plan.ensemble.tensors = {"IN", "T0"};
    sums_ = {0, 0};
    const auto count = 1 + below(4);
    std::size_t last = 0;  // the tensor at hand
    for (std::int64_t i = 0; i < count; ++i) {
      const bool final = i + 1 == count;
      const bool decoupled = streams && i == below(count) && !plan_streams(plan);
      const std::size_t model = decoupled || (streams && final && !plan_streams(plan))
                                    ? kModels - 1
                                    : static_cast<std::size_t>(below(kModels - 1));
      std::size_t to = 1;
      if (!final) {
        to = plan.ensemble.tensors.size();
        plan.ensemble.tensors.push_back("X" + std::to_string(to));
        sums_.push_back(0);
      }
      EnsembleStep& step = plan.ensemble.steps.emplace_back();
      step.model = models_[model].name;
      step.decoupled = model + 1 == kModels;
      step.inputs.push_back({"IN", static_cast<std::uint32_t>(last)});
      step.outputs.push_back({"OUT", static_cast<std::uint32_t>(to)});
      sums_[to] = sums_[last] + models_[model].adds;
      last = to;
    }
    ensemble_ = publish(std::move(plan));
  }
  static bool plan_streams(const ModelPlan& plan) {
    return std::any_of(plan.ensemble.steps.begin(), plan.ensemble.steps.end(),
                       [](const EnsembleStep& step) { return step.decoupled; });
  }

  // ---- a day ----
  void step(bool open) {
    switch (below(10)) {
      case 0:
      case 1:
        return open ? submit() : read();
      case 2:
        return chance(open ? 15 : 5) ? cancel() : (void)0;
      case 3:
        return clock_.advance_ns(below(40) * kUs);
      case 4:
        return sweep();
      case 5:
      case 6:
        return start(any_model());
      case 7:
        return finish(any_model());
      case 8:
        return respond(any_model());
      default:
        (void)ensemble_->turn_ensemble();
        return read();
    }
  }
  SimulatedModel& any_model() { return models_[static_cast<std::size_t>(below(kModels))]; }
  void sweep() {
    for (auto& model : models_) (void)model.served->sweep(clock_.now_ns());
    (void)ensemble_->sweep(clock_.now_ns());
  }

  // ---- clients ----
  void submit() {
    if (tickets_.size() >= kOutstanding) return;
    Request* request = engine_.acquire();
    if (request == nullptr) return;
    auto ticket = std::make_unique<Ticket>();
    ticket->request = request;
    ticket->model = chance(60) ? kEnsemble : static_cast<std::size_t>(below(kModels));
    ticket->value = static_cast<float>(below(10)) / 16;
    const std::string name = ticket->model == kEnsemble ? "e" : models_[ticket->model].name;
    if (!engine_.bind(*request, name, -1).ok()) fail("a served model is not known");
    testing::add_input<float>(*request, engine_.pool(), "IN", DataType::kFp32, Shape{1, 2},
                              {ticket->value, ticket->value});
    request->completion = &ring_;
    request->tag = ticket.get();
    if (chance(20)) ticket->deadline_ns = clock_.now_ns() + below(300) * kUs;
    request->deadline_ns = ticket->deadline_ns;
    request->priority = static_cast<std::uint64_t>(below(4));
    if (chance(20)) request->timeout_us = static_cast<std::uint64_t>(1 + below(200));
    if (!engine_.submit(*request).ok()) return engine_.release(request);
    tickets_.push_back(std::move(ticket));
  }
  void cancel() {
    if (tickets_.empty()) return;
    Ticket& ticket = *tickets_[static_cast<std::size_t>(below(std::ssize(tickets_)))];
    ticket.cancelled = true;
    if (!engine_.cancel(ticket.request->handle())) fail("a request in flight was called stale");
  }
  // Takes what has come and, now and then, gives back what it had.
  void read() {
    for (CompletionNode* node = ring_.take_all(); node != nullptr;) {
      auto& response = *static_cast<Response*>(node);
      node = node->next;
      receive(response);
    }
    for (auto& ticket : tickets_) {
      while (!ticket->unread.empty() && (ticket->final || chance(30))) {
        engine_.release(ticket->unread.back());
        ticket->unread.pop_back();
      }
      if (ticket->final) engine_.release(ticket->request);
    }
    std::erase_if(tickets_, [](const auto& ticket) { return ticket->final; });
  }
  void receive(Response& response) {
    auto& ticket = *static_cast<Ticket*>(response.request->tag);
    if (ticket.final) return fail("an answer behind the final one");
    if (response.status.ok() && !response.flags_only) check_value(ticket, response);
    if (!response.final) {
      ticket.unread.push_back(&response);
      if (ticket.unread.size() > response.request->plan().response_capacity) {
        fail("more responses than the client has room for");
      }
      return;
    }
    ticket.final = true;
    Books& books = books_[ticket.model];
    const bool cancelled = response.status.code() == Code::kCancelled;
    if (cancelled && !ticket.cancelled) fail("cancelled by nobody");
    response.status.ok() ? ++books.succeeded : ++books.failed;
    if (cancelled) ++books.cancelled;
  }
  void check_value(const Ticket& ticket, const Response& response) {
    const float sum = ticket.model == kEnsemble ? sums_[1] : models_[ticket.model].adds;
    if (response.outputs.size() != 1) return fail("not the outputs that were asked for");
    if (testing::first_value(response) != ticket.value + sum) fail("a wrong value");
  }

  // ---- instances ----
  void start(SimulatedModel& model) {
    const auto index = static_cast<std::uint32_t>(below(std::ssize(model.executing)));
    Batch& batch = *model.executing[index];
    if (!batch.empty()) return;
    if (model.served->try_next(index, batch) != PollKind::kBatch) return;
    ++model.started;
    if (batch.total_batch_size() > model.served->plan().max_batch_size) fail("over its limit");
    for (const Request* request : batch.requests()) {
      if (request->cancelled()) fail("ran what was cancelled");
      if (clock_.now_ns() >= request->deadline_ns) fail("ran what was late");
    }
  }
  void finish(SimulatedModel& model) {
    const auto index = static_cast<std::uint32_t>(below(std::ssize(model.executing)));
    Batch& batch = *model.executing[index];
    if (batch.empty()) return;
    if (model.served->plan().decoupled) {
      for (std::size_t i = 0; i < batch.size(); ++i) {
        model.responding.emplace_back(batch.defer(i), static_cast<int>(below(4)));
      }
    } else if (chance(10)) {
      batch.fail_all(internal_error("no"));
    } else if (!chance(3)) {  // else it says nothing at all
      add_to_all(model, batch);
      if (chance(10)) batch.fail(0, internal_error("no"));
    }
    model.served->complete(index, batch);
  }
  void add_to_all(const SimulatedModel& model, Batch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const TensorView& in = batch.request(i).inputs[0].view;
      const BufferLease lease = sum_of(model, in);
      TensorView out = in;
      out.data = lease->data;
      if (const Status s = batch.set_output(i, 0, out, lease); !s.ok()) fail(s.message());
    }
  }
  BufferLease sum_of(const SimulatedModel& model, const TensorView& in) {
    std::vector<float> values(in.size_bytes / sizeof(float));
    std::memcpy(values.data(), in.data, in.size_bytes);
    for (float& value : values) value += model.adds;
    return testing::bytes(engine_.pool(), values.data(), in.size_bytes);
  }
  void respond(SimulatedModel& model) {
    if (model.responding.empty()) return;
    const auto at = model.responding.begin() + below(std::ssize(model.responding));
    auto& [responder, left] = *at;
    Request& request = responder.request();
    if (left > 0 && !chance(3)) {
      auto begun = model.served->try_begin_response(request);
      if (begun.ok() && begun.value() == nullptr) return;  // the client has to read first
      if (begun.ok()) {
        --left;
        const TensorView& in = request.inputs[0].view;
        const BufferLease lease = sum_of(model, in);
        TensorView out = in;
        out.data = lease->data;
        if (const Status s = responder.set_output(*begun.value(), 0, out, lease); !s.ok()) {
          fail(s.message());
        }
        return responder.send(begun.value());
      }
      responder.finish(nullptr, begun.take_status());
    } else if (left == 0 && chance(90)) {
      responder.finish(nullptr);
    }  // else it forgets the request, and is told
    model.responding.erase(at);
  }

  // ---- the end of the day ----
  void check_books() {
    for (std::size_t i = 0; i <= kModels; ++i) {
      const ModelStatistics stats = (i == kEnsemble ? *ensemble_ : *models_[i].served).statistics();
      const auto cancelled = stats.failures[static_cast<std::size_t>(FailureReason::kCanceled)];
      std::uint64_t failures = 0;
      for (const auto count : stats.failures) failures += count;
      if (failures != stats.fail.count) fail("failures without a reason");
      if (stats.pending != 0) fail("something waits for ever");
      if (i != kEnsemble) continue;  // the others have its requests, too
      const Books& books = books_[i];
      if (stats.success.count != books.succeeded) fail("successes do not balance");
      if (stats.fail.count != books.failed) fail("failures do not balance");
      if (cancelled != books.cancelled) fail("cancellations do not balance");
    }
    if (engine_.pool().stats().in_use_bytes != 0) fail("leases are lost");
    // The table's, the thread's snapshot, ours: nothing else pins a version.
    for (auto& model : models_) {
      engine_.forget(model.name);
      engine_.retire(model.served, 0);
    }
    engine_.forget("e");
    engine_.retire(ensemble_, 0);
    (void)engine_.find("e", -1);  // the thread lets go of the old table
    for (const auto& model : models_) {
      if (model.served.use_count() != 1) fail("a pin is lost");
    }
    if (ensemble_.use_count() != 1) fail("a pin is lost");
  }

  std::mt19937_64 random_;
  ManualClock clock_;
  Engine engine_;
  Nobody nobody_;
  CompletionRing ring_{nobody_};
  std::array<SimulatedModel, kModels> models_;
  std::shared_ptr<ServedModel> ensemble_;
  std::vector<float> sums_;  // what each of the ensemble's tensors has more than the input
  std::vector<std::unique_ptr<Ticket>> tickets_;
  std::array<Books, kModels + 1> books_{};
  std::string error_;
};

TEST(EngineSimulation, EverybodyIsAnsweredOnceAndTheBooksBalance) {
  testing::play_seeds(kSeeds, [](std::uint64_t seed) { return EngineSimulation(seed).run(); });
}

}  // namespace
}  // namespace penstock
