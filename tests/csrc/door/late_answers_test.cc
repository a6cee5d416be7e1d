// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Answers of an instance that shares its core with the door's loop and goes on with more: the loop
// is woken a little later, but it is woken.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "door/http_fixture.h"
#include "support/one_core.h"

namespace penstock::door::testing {
namespace {

using namespace std::chrono_literals;

// Executes one request after three are there, the second at once, as soon as the client has the
// first answer and the loop may sleep again, and the third until the client has the second answer.
class Steps final : public NativeInstance {
 public:
  Steps(Engine& engine, std::atomic<int>& answers) : engine_(engine), answers_(answers) {}
  void wait_ready() override {
    if (step_ != 1) return;
    wait_for([&] { return answers_ == 1; });
    std::this_thread::sleep_for(20ms);
  }
  void execute(Batch& batch) override {
    ++step_;
    if (step_ == 1) wait_for([&] { return engine_.in_flight() == 3; });
    if (step_ == 3) wait_for([&] { return answers_ == 2; });
    const InputTensor& input = batch.request(0).inputs[0];
    EXPECT_TRUE(batch.set_output(0, 0, input.view, input.lease).ok());
  }

 private:
  void wait_for(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(100us);
    }
    EXPECT_TRUE(condition()) << "before step " << step_ + 1;
  }

  Engine& engine_;
  std::atomic<int>& answers_;
  int step_ = 0;
};

class LateAnswersTest : private penstock::testing::OneCore, public HttpDoorTest {
 protected:
  LateAnswersTest() {
    ModelPlan plan;
    plan.name = "late";
    plan.inputs.push_back(penstock::testing::tensor_spec("IN", DataType::kFp32, Shape{-1}));
    plan.outputs.push_back(penstock::testing::tensor_spec("OUT", DataType::kFp32, Shape{-1}));
    auto model = engine_->create(std::make_shared<const ModelPlan>(std::move(plan)));
    EXPECT_TRUE(model.ok());
    late_ = model.value();
    late_->start(0, std::make_unique<Steps>(*engine_, answers_));
    engine_->publish("late", {late_}, {});
  }
  ~LateAnswersTest() override {
    door_.reset();
    engine_->publish("late", {}, {});
    engine_->retire(late_, 5'000'000'000);
  }

  ModelVersionRef late_;
  std::atomic<int> answers_{0};  // that the client has
};

TEST_F(LateAnswersTest, AnAnswerDoesNotWaitForWhatTakesLong) {
  open({}, false, 1);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::uint64_t i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(path()));
    const std::string json = infer_json(4);
    clients.back()->send(
        post("Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n",
             json + floats(4), "/v2/models/late/infer"));
    ASSERT_TRUE(eventually([&] { return engine_->in_flight() >= i + 1 || i == 2; }));
  }
  for (const auto& client : clients) {
    EXPECT_EQ(client->read().status, 200);
    ++answers_;
  }
}

}  // namespace
}  // namespace penstock::door::testing
