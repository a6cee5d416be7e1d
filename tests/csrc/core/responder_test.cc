// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Decoupled models: any number of responses, on any thread, no more than the client takes.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Owner;

// Defers every request to a function.
class Decoupled final : public NativeInstance {
 public:
  using Serve = std::function<void(Responder)>;
  explicit Decoupled(Serve serve) : serve_(std::move(serve)) {}
  void execute(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) serve_(batch.defer(i));
  }

 private:
  Serve serve_;
};

Status fill(Responder& responder, Response& response, BufferPool& pool, float value) {
  const float values[2] = {value, value};
  BufferLease lease = testing::bytes(pool, values, sizeof(values));
  TensorView view;
  view.type = DataType::kFp32;
  view.shape = Shape{1, 2};
  view.data = lease->data;
  view.size_bytes = sizeof(values);
  return responder.set_output(response, 0, view, lease);
}

class ResponderTest : public ::testing::Test {
 protected:
  ResponderTest() : engine_(EngineOptions{}), owner_(engine_) {}
  ~ResponderTest() override {
    engine_.retire(model_, INT64_C(10'000'000'000));
    if (thread_.joinable()) thread_.join();
    EXPECT_EQ(engine_.in_flight(), 0u);
    EXPECT_EQ(engine_.pool().stats().in_use_bytes, 0u);
  }
  Request* serve(Decoupled::Serve serve, std::uint32_t capacity = 64) {
    ModelPlan plan = testing::pair_plan(8);
    plan.decoupled = true;
    plan.response_capacity = capacity;
    model_ = engine_.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    model_->start(0, std::make_unique<Decoupled>(std::move(serve)));
    engine_.publish("m", {model_}, {});
    Request* request = owner_.request("m", 1);
    EXPECT_TRUE(engine_.submit(*request).ok());
    return request;
  }
  // All responses of a request, in order: values, then -1 for a bare end or the error's code.
  std::vector<float> collect() {
    std::vector<float> values;
    bool final = false;
    while (!final) {
      Response* response = owner_.next();
      final = response->final;
      if (!response->status.ok()) {
        values.push_back(-static_cast<float>(response->status.code()) - 100);
      } else {
        values.push_back(response->flags_only ? -1 : testing::first_value(*response));
      }
      final ? engine_.release(response->request) : engine_.release(response);
    }
    return values;
  }
  void send(Responder& responder, float value) {
    auto response = responder.begin();
    ASSERT_TRUE(response.ok());
    ASSERT_TRUE(fill(responder, *response.value(), engine_.pool(), value).ok());
    responder.send(response.value());
  }

  Engine engine_;
  Owner owner_;
  ModelVersionRef model_;
  std::thread thread_;
};

TEST_F(ResponderTest, ManyResponsesThenABareEnd) {
  serve([this](Responder responder) {
    for (int i = 0; i < 3; ++i) send(responder, static_cast<float>(i));
    responder.finish(nullptr);
  });
  EXPECT_EQ(collect(), (std::vector<float>{0, 1, 2, -1}));
  const ModelStatistics stats = model_->statistics();
  EXPECT_EQ(stats.success.count, 1u);
  EXPECT_EQ(stats.execution_count, 1u);
  ASSERT_EQ(stats.responses.size(), 4u);  // contract 1.11
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(stats.responses[i].success.count, 1u);
    EXPECT_EQ(stats.responses[i].compute_infer.count, 1u);
    EXPECT_EQ(stats.responses[i].compute_output.count, 1u);
  }
  EXPECT_EQ(stats.responses[3].empty_response.count, 1u);
  EXPECT_EQ(stats.responses[3].success.count + stats.responses[3].compute_infer.count, 0u);
}

TEST_F(ResponderTest, TheLastOneMayCarryData) {
  serve([this](Responder responder) {
    auto response = responder.begin();
    ASSERT_TRUE(fill(responder, *response.value(), engine_.pool(), 7).ok());
    responder.finish(response.value());
  });
  EXPECT_EQ(collect(), (std::vector<float>{7}));
}

TEST_F(ResponderTest, AnswersAfterTheBatchIsDone) {
  std::binary_semaphore go{0};
  serve([&](Responder responder) {
    thread_ = std::thread([this, &go, own = std::move(responder)]() mutable {
      go.acquire();
      send(own, 1);
      own.finish(nullptr, internal_error("no more"));
    });
  });
  go.release();
  EXPECT_EQ(collect(), (std::vector<float>{1, -100 - static_cast<float>(Code::kInternal)}));
  EXPECT_EQ(model_->statistics().fail.count, 1u);
}

TEST_F(ResponderTest, AForgottenEndIsAnError) {
  serve([](Responder) {});
  EXPECT_EQ(collect(), (std::vector<float>{-100 - static_cast<float>(Code::kInternal)}));
}

TEST_F(ResponderTest, AModelWaitsForItsReader) {
  std::atomic<int> sent{0};
  serve(
      [&](Responder responder) {
        for (int i = 0; i < 100; ++i) {
          send(responder, static_cast<float>(i));
          ++sent;
        }
        responder.finish(nullptr);
      },
      4);
  int taken = 0;
  for (bool final = false; !final;) {
    Response* response = owner_.next();
    final = response->final;
    EXPECT_LE(sent.load(), taken + 4);
    ++taken;
    final ? engine_.release(response->request) : engine_.release(response);
  }
  EXPECT_EQ(taken, 101);
}

TEST_F(ResponderTest, StatisticsOfResponsesAreBounded) {  // contract 1.11
  serve([this](Responder responder) {
    for (std::size_t i = 0; i < kMaxResponseStats + 50; ++i) send(responder, 0);
    responder.finish(nullptr, internal_error("late"));
  });
  EXPECT_EQ(collect().size(), kMaxResponseStats + 51);
  EXPECT_EQ(model_->statistics().responses.size(), kMaxResponseStats);
}

TEST_F(ResponderTest, CancellationWakesAModelThatWaits) {
  Request* request = serve(
      [&](Responder responder) {
        for (;;) {
          auto response = responder.begin();
          if (!response.ok()) return responder.finish(nullptr, response.take_status());
          responder.send(response.value());
        }
      },
      2);
  Response* first = owner_.next();
  Response* second = owner_.next();
  ASSERT_TRUE(engine_.cancel(request->handle()));
  Response* last = owner_.next();
  EXPECT_TRUE(last->final);
  EXPECT_EQ(last->status.code(), Code::kCancelled);
  engine_.release(first);
  engine_.release(second);
  engine_.release(request);
}

TEST_F(ResponderTest, StoppingWakesAModelThatWaits) {
  Request* request = serve(
      [&](Responder responder) {
        for (;;) {
          auto response = responder.begin();
          if (!response.ok()) return responder.finish(nullptr, response.take_status());
          responder.send(response.value());
        }
      },
      1);
  Response* first = owner_.next();
  engine_.retire(model_, 0);
  Response* last = owner_.next();
  EXPECT_TRUE(last->final);
  EXPECT_EQ(last->status.code(), Code::kUnavailable);
  engine_.release(first);
  engine_.release(request);
}

}  // namespace
}  // namespace penstock
