// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Instances whose tensors are in a GPU's memory, on a CUDA runtime that obeys the test: the order
// in which it was called says what happened while what else was still going on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <semaphore>
#include <string>

#include "fake_cudart.h"
#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::first_value;
using ::testing::HasSubstr;
using testing::Owner;

constexpr std::int64_t kSecond = 1'000'000'000;

// Doubles its input where it lies, in new memory of the device.
class DeviceDoubler final : public NativeInstance {
 public:
  explicit DeviceDoubler(const FakeCudart& fake) : fake_(fake) {}

  void execute(Batch& batch) override {
    fake_->note("execute");
    TensorView view;
    if (Status s = batch.gather(0, view); !s.ok()) return batch.fail_all(s);
    EXPECT_EQ(view.memory, MemoryKind::kGpu);
    EXPECT_EQ(view.device, batch.device());
    EXPECT_NE(batch.stream(), nullptr);
    BufferLease out = batch.allocate_on_device(view.size_bytes);
    if (!out) return batch.fail_all(unavailable("no memory on the device"));
    batch.mark_exec_start();
    if (entered != nullptr) entered->release();
    if (go != nullptr) go->acquire();
    const auto* from = static_cast<const float*>(fake_->view(view.data));
    auto* to = static_cast<float*>(fake_->view(out->data));
    for (std::size_t i = 0; i < view.size_bytes / sizeof(float); ++i) to[i] = 2 * from[i];
    batch.mark_exec_end();
    fake_->note("executed");
    view.data = out->data;
    if (Status s = batch.scatter(0, view, out); !s.ok()) batch.fail_all(s);
  }

  std::counting_semaphore<>* entered = nullptr;
  std::counting_semaphore<>* go = nullptr;

 private:
  const FakeCudart& fake_;
};

class DeviceInstanceTest : public ::testing::Test {
 protected:
  void start(int devices = 1, ModelPlan plan = testing::dynamic_plan(4)) {
    fake_->set_device_count(devices, 0);
    EngineOptions options;
    options.pinned = true;
    options.devices = true;
    options.cuda_libraries = {PENSTOCK_FAKE_CUDART};
    options.rate_limited = !plan.instance_limits.empty();
    engine_ = std::make_unique<Engine>(options);
    ASSERT_NE(engine_->devices(), nullptr) << engine_->memory_report();
    owner_ = std::make_unique<Owner>(*engine_);
    plan.instance_count = static_cast<std::uint32_t>(devices);
    for (int device = 0; device < devices; ++device) plan.instance_devices.push_back(device);
    auto model = engine_->create(std::make_shared<ModelPlan>(std::move(plan)));
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = model.value();
  }
  void serve(std::uint32_t index = 0, bool gated = false) {
    auto instance = std::make_unique<DeviceDoubler>(fake_);
    if (gated) {
      instance->entered = &entered_;
      instance->go = &go_;
    }
    model_->start(index, std::move(instance));
    engine_->publish("m", {model_}, {});
  }
  void submit(float value) { ASSERT_TRUE(engine_->submit(*owner_->request("m", value)).ok()); }
  void expect(float value) {
    owner_->collect(1, [&](const Response& r) {
      ASSERT_TRUE(r.status.ok()) << r.status.message();
      EXPECT_EQ(first_value(r), value);
      EXPECT_EQ(r.outputs[0].lease->memory, MemoryKind::kPinned);
    });
  }
  std::string failure(Code code) {
    std::string message;
    owner_->collect(1, [&](const Response& r) {
      EXPECT_EQ(r.status.code(), code) << r.status.message();
      message = r.status.message();
    });
    return message;
  }
  // Nothing may be left in any pool, nor in the fake.
  void stop() {
    engine_->retire(model_, kSecond);
    model_.reset();
    EXPECT_EQ(engine_->in_flight(), 0U);
    EXPECT_EQ(engine_->pool().stats().in_use_bytes, 0U);
    for (const auto& usage : engine_->devices()->usage()) {
      EXPECT_EQ(usage.stats.in_use_bytes, 0U);
    }
    owner_.reset();
    engine_.reset();
    EXPECT_EQ(fake_->live(), 0U);
  }

  FakeCudart fake_{PENSTOCK_FAKE_CUDART};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Owner> owner_;
  ModelVersionRef model_;
  std::counting_semaphore<> entered_{0};
  std::counting_semaphore<> go_{0};
};

TEST_F(DeviceInstanceTest, OneCopyATensorEachWay) {
  start();
  serve();
  submit(3);
  expect(6);
  const std::size_t in = fake_.find("cudaMemcpyAsync 8 HtoD");
  const std::size_t out = fake_.find("cudaMemcpyAsync 8 DtoH");
  EXPECT_LT(fake_.find("done 8 HtoD"), fake_.find("execute"));
  EXPECT_LT(in, out);
  EXPECT_EQ(fake_.find("cudaMemcpyAsync", out + 1), std::string::npos);
  stop();
}

TEST_F(DeviceInstanceTest, BatchIsGatheredInPageLockedMemoryAndCopiedOnce) {
  start();
  serve(0, true);
  submit(1);  // is executed,
  entered_.acquire();
  submit(2);  // is on the device by then,
  fake_->wait_for("done 8 HtoD", 2);
  for (float value : {3.F, 4.F, 5.F}) submit(value);  // and these wait for their turn
  go_.release(3);
  for (float value : {2.F, 4.F, 6.F, 8.F, 10.F}) expect(value);
  EXPECT_NE(fake_.find("cudaMemcpyAsync 24 HtoD"), std::string::npos);
  EXPECT_NE(fake_.find("cudaMemcpyAsync 24 DtoH"), std::string::npos);
  EXPECT_EQ(model_->statistics().execution_count, 3U);
  stop();
}

TEST_F(DeviceInstanceTest, NextBatchIsAssembledWhileThisOneRuns) {
  start();
  serve(0, true);
  submit(1);
  entered_.acquire();  // the first one is being executed
  submit(2);
  fake_->wait_for("done 8 HtoD", 2);  // and would for ever be, were it not for the second's copy
  fake_->note("first still runs");
  go_.release(2);
  expect(2);
  expect(4);
  const std::string log = fake_->log();
  const std::size_t second_in = log.find("done 8 HtoD", log.find("done 8 HtoD") + 1);
  EXPECT_LT(second_in, log.find("executed"));
  EXPECT_LT(log.find("first still runs"), log.find("executed"));
  stop();
}

TEST_F(DeviceInstanceTest, NoMoreThanTwoBatchesAreOnTheirWay) {
  start(1, testing::pair_plan(4));  // a batch is a request
  serve(0, true);
  for (float value : {1.F, 2.F, 3.F, 4.F}) submit(value);
  entered_.acquire();
  fake_->wait_for("done 8 HtoD", 2);
  EXPECT_EQ(model_->statistics().pending, 2U);
  go_.release(4);
  for (float value : {2.F, 4.F, 6.F, 8.F}) expect(value);
  stop();
}

TEST_F(DeviceInstanceTest, NothingIsDoneAheadWhereResourcesAreLimited) {  // 4.5
  ModelPlan plan = testing::pair_plan(4);
  plan.instance_limits.resize(1);
  start(1, std::move(plan));
  serve(0, true);
  submit(1);
  submit(2);
  entered_.acquire();
  EXPECT_EQ(model_->statistics().pending, 1U);
  go_.release(2);
  expect(2);
  expect(4);
  const std::string log = fake_->log();
  EXPECT_LT(log.find("executed"), log.rfind("cudaMemcpyAsync 8 HtoD"));
  stop();
}

TEST_F(DeviceInstanceTest, InstancesStayAsTheyWereLoaded) {
  start();
  EXPECT_EQ(model_->instance_limit(), 1U);
  EXPECT_EQ(model_->end_instance(0).code(), Code::kUnsupported);
  serve();
  submit(1);
  expect(2);
  stop();
}

TEST_F(DeviceInstanceTest, SlowCopiesHoldUpTheirOwnBatchAlone) {
  start(1, testing::pair_plan(4));
  serve();
  fake_->hold();
  submit(1);
  submit(2);
  fake_->wait_for("cudaMemcpyAsync 8 HtoD", 2);  // both were begun
  EXPECT_EQ(fake_.find("execute"), std::string::npos);
  fake_->let_go();
  expect(2);
  expect(4);
  stop();
}

TEST_F(DeviceInstanceTest, ReceivedInPageLockedMemoryIsNotCopiedBefore) {
  start();
  serve();
  submit(3);  // the owner's inputs come from the engine's pool
  expect(6);
  // One block for the input, one for the output: none to copy through.
  EXPECT_EQ(engine_->pool().stats().acquired, 2U);
  stop();
}

TEST_F(DeviceInstanceTest, MemoryOfTheDeviceThatRunsOutFailsTheRequest) {
  start();
  serve();
  fake_->fail("cudaMalloc", 2, 0);
  submit(1);
  EXPECT_EQ(failure(Code::kUnavailable),
            "input 'IN' of model 'm': GPU 0 has no memory left for 8 bytes");
  fake_->heal();
  submit(2);
  expect(4);
  EXPECT_TRUE(model_->health().ok());
  stop();
}

TEST_F(DeviceInstanceTest, CopyErrorFailsTheRequestAndTheInstanceGoesOn) {
  start();
  serve();
  fake_->fail("cudaMemcpyAsync", 1, 0);
  submit(1);
  EXPECT_EQ(failure(Code::kInternal),
            "input 'IN' of model 'm': GPU 0: cudaMemcpyAsync: invalid argument (1)");
  fake_->heal();
  fake_->fail("cudaMemcpyAsync", 1, 1);  // of the output
  submit(2);
  EXPECT_EQ(failure(Code::kInternal),
            "output 'OUT' of model 'm': GPU 0: cudaMemcpyAsync: invalid argument (1)");
  fake_->heal();
  fake_->fail("cudaEventSynchronize", 1, 0);  // told when it is waited for
  submit(3);
  EXPECT_EQ(failure(Code::kInternal), "GPU 0: cudaEventSynchronize: invalid argument (1)");
  fake_->heal();
  fake_->fail_once("cudaStreamSynchronize", 1);
  submit(4);
  EXPECT_EQ(failure(Code::kInternal), "GPU 0: cudaStreamSynchronize: invalid argument (1)");
  fake_->heal();
  submit(5);
  expect(10);
  EXPECT_TRUE(model_->health().ok());
  const ModelStatistics statistics = model_->statistics();
  EXPECT_EQ(statistics.success.count, 1U);
  EXPECT_EQ(statistics.fail.count, 4U);
  stop();
}

TEST_F(DeviceInstanceTest, LostDeviceIsTheModelsEndAndNobodyElses) {
  start();
  serve();
  fake_->fail("cudaMemcpyAsync", 719, 0);
  submit(1);
  EXPECT_THAT(failure(Code::kUnavailable), HasSubstr("unspecified launch failure (719)"));
  fake_->heal();  // CUDA would not
  submit(2);
  const std::string lost =
      "GPU 0 is lost to this server, which must be restarted: "
      "GPU 0: cudaMemcpyAsync: unspecified launch failure (719)";
  EXPECT_EQ(failure(Code::kUnavailable), lost);
  EXPECT_EQ(model_->health().message(), lost);

  ModelPlan plan = testing::pair_plan(4);
  plan.name = "host";
  auto host = engine_->create(std::make_shared<ModelPlan>(std::move(plan)));
  ASSERT_TRUE(host.ok());
  host.value()->start(0, std::make_unique<testing::Doubler>());
  engine_->publish("host", {host.value()}, {});
  ASSERT_TRUE(engine_->submit(*owner_->request("host", 4)).ok());
  expect(8);
  EXPECT_TRUE(host.value()->health().ok());
  engine_->retire(host.value(), kSecond);
  host.value().reset();
  stop();
}

// And what is on its way keeps its memory, which others would get otherwise.
TEST_F(DeviceInstanceTest, DeviceThatCannotTellWhatIsOnItsWayIsLost) {
  start();
  serve(0, true);
  fake_->fail("cudaStreamSynchronize", 1, 0);
  submit(1);
  entered_.acquire();
  fake_->hold();
  go_.release();
  EXPECT_EQ(failure(Code::kInternal), "GPU 0: cudaStreamSynchronize: invalid argument (1)");
  EXPECT_EQ(model_->health().message(),
            "GPU 0 is lost to this server, which must be restarted: "
            "GPU 0: cudaStreamSynchronize: invalid argument (1)");
  for (int turn = 0; turn < 2; ++turn) {  // the second one finds the first batch put away
    submit(2);
    EXPECT_EQ(failure(Code::kUnavailable), model_->health().message());
  }
  EXPECT_GT(engine_->pool().stats().in_use_bytes, 0U);
  EXPECT_EQ(fake_.find("done 8 DtoH"), std::string::npos);
  fake_->let_go();
  stop();
  EXPECT_NE(fake_.find("done 8 DtoH"), std::string::npos);
}

TEST_F(DeviceInstanceTest, InstanceOfALostDeviceLeavesRequestsToTheOthers) {
  start(2);
  serve(0);
  fake_->fail("cudaMemcpyAsync", 719, 0);
  submit(1);
  EXPECT_THAT(failure(Code::kUnavailable), HasSubstr("GPU 0"));
  fake_->heal();
  serve(1);
  // The first one may have been waiting for a batch: one more at most is lost on it.
  submit(2);
  owner_->collect(1, [](const Response&) {});
  for (int i = 0; i < 50; ++i) {
    submit(3);
    expect(6);
  }
  EXPECT_TRUE(model_->health().ok());
  stop();
}

TEST_F(DeviceInstanceTest, DeviceThatFailsAtLoadFailsTheLoad) {
  fake_->fail("cudaStreamCreateWithFlags", 2, 0);
  EngineOptions options;
  options.devices = true;
  options.cuda_libraries = {PENSTOCK_FAKE_CUDART};
  Engine engine(options);
  ModelPlan plan = testing::pair_plan(4);
  plan.instance_devices = {0};
  const auto model = engine.create(std::make_shared<ModelPlan>(plan));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().message(), "model 'm': GPU 0: cudaStreamCreate: out of memory (2)");
  plan.instance_devices = {5};
  const auto nowhere = engine.create(std::make_shared<ModelPlan>(plan));
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.status().message(), "model 'm': there is no GPU 5, the CUDA runtime has 1");
}

// Keeps its input, whatever its memory.
class Looker final : public NativeInstance {
 public:
  void execute(Batch& batch) override {
    EXPECT_EQ(batch.device(), -1);
    EXPECT_EQ(batch.stream(), nullptr);
    EXPECT_FALSE(batch.allocate_on_device(64));
    testing::Doubler().execute(batch);
  }
};

TEST(HostInstanceTest, WithoutCudaAllIsAsEver) {
  EngineOptions options;
  options.pinned = true;
  options.devices = true;
  options.cuda_libraries = {"/nonexistent/libcudart.so"};
  Engine engine(options);
  EXPECT_EQ(engine.devices(), nullptr);
  EXPECT_THAT(engine.memory_report(), HasSubstr("page (no CUDA runtime: /nonexistent"));
  Owner owner(engine);
  ModelPlan plan = testing::pair_plan(4);
  plan.instance_devices = {0};
  auto model = engine.create(std::make_shared<ModelPlan>(plan));
  ASSERT_TRUE(model.ok());
  model.value()->start(0, std::make_unique<Looker>());
  engine.publish("m", {model.value()}, {});
  ASSERT_TRUE(engine.submit(*owner.request("m", 4)).ok());
  owner.collect(1, [](const Response& r) { EXPECT_EQ(first_value(r), 8); });
  engine.retire(model.value(), kSecond);
}

// Gives out memory of a device that its batch has not.
class Liar final : public NativeInstance {
 public:
  void execute(Batch& batch) override {
    TensorView view;
    EXPECT_TRUE(batch.gather(0, view).ok());
    view.memory = MemoryKind::kGpu;
    view.device = 7;
    if (Status s = batch.scatter(0, view, {}); !s.ok()) batch.fail_all(s);
  }
};

TEST(HostInstanceTest, OutputOfAnUnknownDeviceIsAnError) {
  Engine engine(EngineOptions{});
  Owner owner(engine);
  auto model = engine.create(std::make_shared<ModelPlan>(testing::pair_plan(4)));
  ASSERT_TRUE(model.ok());
  model.value()->start(0, std::make_unique<Liar>());
  engine.publish("m", {model.value()}, {});
  ASSERT_TRUE(engine.submit(*owner.request("m", 4)).ok());
  owner.collect(1, [](const Response& r) {
    EXPECT_EQ(r.status.message(),
              "output 'OUT' of model 'm' is in the memory of GPU 7, expected the host's");
  });
  engine.retire(model.value(), kSecond);
}

}  // namespace
}  // namespace penstock
