// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <random>
#include <thread>
#include <utility>

#include "penstock/worker.h"
#include "support/engine_fixture.h"
#include "support/plans.h"
#include "worker/arena_allocator.h"
#include "worker/channel.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::Owner;
using worker::Channel;
using worker::MessageKind;

constexpr std::size_t kArena = std::size_t{4} << 20;

// A server with one model whose instance is elsewhere, and threads that play its processes.
class LinkTest : public ::testing::Test {
 protected:
  void serve(ModelPlan plan, WorkerOptions options = {}) {
    plan_ = std::make_shared<const ModelPlan>(std::move(plan));
    options.name = "m_0_0";
    options.max_bytes = kArena;
    auto model = engine_.create(plan_);
    ASSERT_TRUE(model.ok());
    model_ = model.value();
    link_ = WorkerLink::make(plan_, engine_.pool(), options);
    model_->start(0, link_->instance());
    engine_.publish("m", {model_}, {});
  }
  std::shared_ptr<WorkerConnection> connect() {
    auto connection = link_->connect();
    EXPECT_TRUE(connection.ok());
    return connection.value();
  }
  // A process that executes batches as `instance` does, until it is told to stop.
  std::thread worker(const std::shared_ptr<WorkerConnection>& connection,
                     std::function<void(Batch&)> execute) {
    const int fd = dup(connection->fd());
    return std::thread([this, fd, execute = std::move(execute)] {
      auto end = attach_worker(fd, plan_, {});
      ASSERT_TRUE(end.ok()) << end.status().message();
      ModelVersion& model = *end.value().model;
      Batch batch;
      while (model.next(0, batch)) {
        execute(batch);
        model.complete(0, batch);
      }
    });
  }
  void TearDown() override {
    if (link_) link_->refuse("the test is over");
    if (model_) engine_.retire(model_, 0);
    for (auto& thread : workers_) thread.join();
  }
  void send(int count) {
    for (int i = 0; i < count; ++i) {
      Request* request = owner_.request("m", static_cast<float>(i));
      ASSERT_NE(request, nullptr);
      ASSERT_TRUE(engine_.submit(*request).ok());
    }
  }

  Engine engine_{EngineOptions{}};
  Owner owner_{engine_};
  std::shared_ptr<const ModelPlan> plan_;
  ModelVersionRef model_;
  std::shared_ptr<WorkerLink> link_;
  std::vector<std::thread> workers_;
  std::atomic<bool> go_{false};  // outlives the threads that wait for it
  std::atomic<int> tries_{0};
};

TEST_F(LinkTest, BatchesAreExecutedElsewhere) {
  serve(testing::dynamic_plan(8));
  const auto connection = connect();
  workers_.push_back(worker(connection, [](Batch& batch) { Doubler().execute(batch); }));
  link_->serve(connection, -1);
  for (int round = 0; round < 50; ++round) {
    send(20);
    float sum = 0;
    owner_.collect(20, [&](const Response& response) {
      ASSERT_TRUE(response.status.ok()) << response.status.message();
      ASSERT_EQ(response.outputs.size(), 1u);
      EXPECT_EQ(response.outputs[0].view.size_bytes, 2 * sizeof(float));
      sum += testing::first_value(response);
    });
    EXPECT_EQ(sum, 2 * 190.0f);
  }
  EXPECT_GE(connection->answered(), 50u);
  EXPECT_EQ(connection->in_flight(), 0u);
}

TEST_F(LinkTest, AnErrorComesBackWithItsCode) {
  serve(testing::pair_plan(0));
  const auto connection = connect();
  workers_.push_back(worker(
      connection, [](Batch& batch) { batch.fail(0, Status(Code::kUnsupported, "not this one")); }));
  link_->serve(connection, -1);
  ASSERT_EQ(plan_->max_batch_size, 0);
  Request* request = engine_.acquire();
  ASSERT_TRUE(engine_.bind(*request, "m", -1).ok());
  testing::add_input<float>(*request, engine_.pool(), "IN", DataType::kFp32, Shape{2}, {1, 2});
  request->completion = &owner_.ring;
  ASSERT_TRUE(engine_.submit(*request).ok());
  owner_.collect(1, [](const Response& response) {
    EXPECT_EQ(response.status.code(), Code::kUnsupported);
    EXPECT_EQ(response.status.message(), "not this one");
  });
}

TEST_F(LinkTest, WhatWasNotTakenGoesToTheNextProcess) {
  serve(testing::pair_plan(1));
  const auto dead = connect();
  link_->serve(dead, -1);  // nobody reads
  send(3);
  while (dead->in_flight() == 0) std::this_thread::yield();
  dead->lost("killed by a test");
  const auto next = connect();
  workers_.push_back(worker(next, [](Batch& batch) { Doubler().execute(batch); }));
  link_->serve(next, -1);
  owner_.collect(3, [](const Response& response) { EXPECT_TRUE(response.status.ok()); });
}

TEST_F(LinkTest, WhatWasTakenIsAnsweredUnavailable) {
  serve(testing::pair_plan(1));
  const auto connection = connect();
  workers_.push_back(worker(connection, [&](Batch& batch) {
    connection->lost("killed by a test");
    while (!go_.load()) std::this_thread::yield();
    Doubler().execute(batch);
  }));
  link_->serve(connection, -1);
  send(1);
  owner_.collect(1, [](const Response& response) {
    EXPECT_EQ(response.status.code(), Code::kUnavailable);
    EXPECT_NE(response.status.message().find("killed by a test"), std::string::npos);
  });
  go_.store(true);
  connection->close();
}

TEST_F(LinkTest, AnIdempotentBatchIsTriedOnceMore) {
  WorkerOptions options;
  options.idempotent = true;
  serve(testing::pair_plan(1), options);
  std::vector<std::shared_ptr<WorkerConnection>> connections{connect(), connect(), connect()};
  for (std::size_t i = 0; i < 2; ++i) {
    workers_.push_back(worker(connections[i], [&, i](Batch& batch) {
      ++tries_;
      link_->serve(connections[i + 1], -1);
      connections[i]->lost("killed by a test");
      while (!go_.load()) std::this_thread::yield();
      Doubler().execute(batch);
    }));
  }
  link_->serve(connections[0], -1);
  send(1);
  owner_.collect(
      1, [](const Response& response) { EXPECT_EQ(response.status.code(), Code::kUnavailable); });
  EXPECT_EQ(tries_.load(), 2);
  go_.store(true);
  for (auto& connection : connections) connection->close();
  for (auto& thread : std::exchange(workers_, {})) thread.join();  // they refer to what is here
}

TEST_F(LinkTest, ContentsThatEndTwoProcessesAreRefused) {
  serve(testing::pair_plan(1));
  const auto dies_of = [&](std::shared_ptr<WorkerConnection> connection) {
    return [this, connection](Batch& batch) {
      TensorView in;
      ASSERT_TRUE(batch.gather(0, in).ok());
      float value = 0;
      std::memcpy(&value, in.data, sizeof value);
      if (value == 1) {
        connection->lost("value 1");
        while (!go_.load()) std::this_thread::yield();
      }
      Doubler().execute(batch);
    };
  };
  std::vector<std::shared_ptr<WorkerConnection>> connections;
  const auto start = [&] {
    connections.push_back(connect());
    workers_.push_back(worker(connections.back(), dies_of(connections.back())));
    link_->serve(connections.back(), -1);
  };
  const auto ask = [&](float value) {
    Request* request = owner_.request("m", value);
    EXPECT_TRUE(engine_.submit(*request).ok());
    std::string text;
    owner_.collect(1, [&](const Response& response) { text = response.status.message(); });
    return text;
  };
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_EQ(ask(0), "");
    EXPECT_NE(ask(1).find("value 1"), std::string::npos);
  }
  start();
  EXPECT_NE(ask(1).find("refuses the request"), std::string::npos);
  EXPECT_EQ(ask(0), "");
  go_.store(true);
  for (auto& connection : connections) connection->close();
}

TEST_F(LinkTest, RefusedBatchesSayWhy) {
  serve(testing::pair_plan(1));
  link_->refuse("it crashes whenever it is started");
  send(2);
  owner_.collect(2, [](const Response& response) {
    EXPECT_EQ(response.status.code(), Code::kUnavailable);
    EXPECT_EQ(response.status.message(), "it crashes whenever it is started");
  });
}

TEST_F(LinkTest, AnExecuteThatTakesTooLongIsGivenUp) {
  WorkerOptions options;
  options.execute_timeout_ns = 1'000'000'000;  // the first batch finds the process asleep
  serve(testing::pair_plan(1), options);
  const auto connection = connect();
  go_.store(true);
  workers_.push_back(worker(connection, [&](Batch& batch) {
    while (!go_.load()) std::this_thread::yield();
    Doubler().execute(batch);
  }));
  link_->serve(connection, -1);
  send(1);
  owner_.collect(1, [](const Response& response) { EXPECT_TRUE(response.status.ok()); });
  go_.store(false);
  send(1);
  owner_.collect(1, [](const Response& response) {
    EXPECT_EQ(response.status.code(), Code::kDeadlineExceeded);
    EXPECT_NE(response.status.message().find("EXECUTE_TIMEOUT_MS"), std::string::npos);
  });
  go_.store(true);
  connection->close();
}

TEST_F(LinkTest, ABatchThatDoesNotFitIsUnavailable) {
  ModelPlan plan = testing::pair_plan(1);
  plan.inputs[0].dims = Shape{-1};
  serve(std::move(plan));
  const auto connection = connect();
  workers_.push_back(worker(connection, [](Batch& batch) { batch.answer(0); }));
  link_->serve(connection, -1);
  Request* request = engine_.acquire();
  ASSERT_TRUE(engine_.bind(*request, "m", -1).ok());
  const std::vector<float> large(kArena / sizeof(float) + 1);
  testing::add_input<float>(*request, engine_.pool(), "IN", DataType::kFp32,
                            Shape{1, static_cast<std::int64_t>(large.size())}, large);
  request->completion = &owner_.ring;
  ASSERT_TRUE(engine_.submit(*request).ok());
  owner_.collect(1, [](const Response& response) {
    EXPECT_EQ(response.status.code(), Code::kUnavailable);
    EXPECT_NE(response.status.message().find("shm-max-byte-size"), std::string::npos);
  });
}

// Answers that may be anything: each request is answered all the same, and nothing is read that
// does not lie in the worker's arena.
TEST_F(LinkTest, GarbageFromAWorkerIsAnAnswerToNobody) {
  serve(testing::pair_plan(1));
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    const auto connection = connect();
    link_->serve(connection, -1);
    auto memory = worker::SharedMemory::attach(dup(connection->fd())).value();
    BufferPool pool(std::make_unique<worker::ArenaAllocator>(memory, true, worker::ArenaOptions{}),
                    {});
    {
      Channel channel(memory, worker::Side::kWorker, pool);
      worker::Message batch;
      send(1);
      while (channel.take(batch) != Channel::Taken::kOne) std::this_thread::yield();
      const std::size_t size = 1 + random() % 200;
      BufferLease block = channel.acquire(size);
      for (std::size_t i = 0; i < size; ++i) {
        block->data[i] = static_cast<std::byte>(random() % 8 == 0 ? random() : random() % 3);
      }
      ASSERT_TRUE(channel.post(MessageKind::kAnswers, batch.id, std::move(block), size));
      channel.wake();
      owner_.collect(1, [](const Response& response) { EXPECT_FALSE(response.status.ok()); });
      connection->lost("over");
      batch.block.reset();
    }
  }
}

}  // namespace
}  // namespace penstock
