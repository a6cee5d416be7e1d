// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ONNX Runtime on tensors of a device. The device's memory is the host's here, so that the CPU
// provider can compute in it: what is tested is which memory is given to whom, and the binding.
#include <gmock/gmock.h>

#include "batch/device_stage.h"
#include "fake_cudart.h"
#include "ort_fixture.h"

namespace penstock {
namespace {

class OnnxDevice : public OrtTest {
 protected:
  void SetUp() override {
    OrtTest::SetUp();
    if (IsSkipped()) return;
    fake_->expose();
    cuda_ = CudaRuntime::open({PENSTOCK_FAKE_CUDART}).value();
    devices_ = std::make_unique<DevicePools>(cuda_, std::map<std::int32_t, std::uint64_t>{});
    host_ = std::make_unique<BufferPool>(make_pinned_allocator(cuda_), BufferPoolOptions{});
    in_ = std::move(CudaStream::create(cuda_, 0).value());
    out_ = std::move(CudaStream::create(cuda_, 0).value());
    stage_ = std::make_unique<DeviceStage>(
        StagingPlace{*cuda_, *host_, *devices_->pool(0).value(), *in_, *out_},
        std::move(CudaEvent::create(cuda_, 0).value()));
  }
  static OnnxModelOptions on_host() {
    OnnxModelOptions options = one_thread();
    options.device_memory = "Cpu";
    return options;
  }
  // As a pipeline does.
  void run(BatchFixture& fixture, NativeInstance& instance) {
    fixture.stage(*stage_);
    fixture.run(instance);
    EXPECT_TRUE(stage_->wait_out().ok());
  }
  void end(BatchFixture& fixture) {
    fixture.clear();
    fixture.batch().set_stage(nullptr);
    stage_->clear();
  }

  FakeCudart fake_{PENSTOCK_FAKE_CUDART};
  std::shared_ptr<CudaRuntime> cuda_;
  std::unique_ptr<DevicePools> devices_;
  std::unique_ptr<BufferPool> host_;
  std::unique_ptr<CudaStream> in_;
  std::unique_ptr<CudaStream> out_;
  std::unique_ptr<DeviceStage> stage_;
};

TEST_F(OnnxDevice, InputsAndOutputsOfKnownSizeAreInItsMemory) {
  BatchFixture fixture(plan_of(
      8, {spec_of("INPUT0", DataType::kFp32, {4}), spec_of("INPUT1", DataType::kFp32, {4})},
      {spec_of("OUTPUT0", DataType::kFp32, {4}), spec_of("OUTPUT1", DataType::kFp32, {4})}));
  auto made = instance("add_sub", fixture.plan(), on_host());
  for (float first : {10.F, 20.F}) {
    Request& request = fixture.add();
    fixture.give(request, "INPUT0", {1, 4}, bytes_of<float>({first, first, first, first}));
    fixture.give(request, "INPUT1", {1, 4}, bytes_of<float>({1, 2, 3, 4}));
  }
  run(fixture, *made);
  ASSERT_TRUE(fixture.status(1).ok()) << fixture.status(1).message();
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({11, 12, 13, 14}));
  EXPECT_EQ(fixture.output_bytes(1, "OUTPUT1"), bytes_of<float>({19, 18, 17, 16}));
  // Two requests side by side, by one copy a tensor and direction.
  EXPECT_NE(fake_.find("cudaMemcpyAsync 32 HtoD"), std::string::npos);
  EXPECT_NE(fake_.find("cudaMemcpyAsync 32 DtoH"), std::string::npos);
  end(fixture);
}

TEST_F(OnnxDevice, OutputsOfUnknownSizeStayInItsMemory) {
  BatchFixture fixture(plan_of(8, {spec_of("INPUT0", DataType::kFp32, {-1})},
                               {spec_of("OUTPUT0", DataType::kFp32, {-1})}));
  auto made = instance("relu_dynamic", fixture.plan(), on_host());
  ASSERT_NE(made, nullptr);
  for (int i = 0; i < 2; ++i) {  // the binding is used again
    fixture.give(fixture.add(), "INPUT0", {2, 2}, bytes_of<float>({-1, 2, -3, 4}));
    run(fixture, *made);
    ASSERT_TRUE(fixture.status(0).ok()) << fixture.status(0).message();
    EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({0, 2, 0, 4}));
    EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[2,2]");
    end(fixture);
  }
}

TEST_F(OnnxDevice, SessionThatHasNoSuchDeviceFailsTheRequest) {
  BatchFixture fixture(plan_of(8, {spec_of("INPUT0", DataType::kFp32, {-1})},
                               {spec_of("OUTPUT0", DataType::kFp32, {-1})}));
  auto made = instance("relu_dynamic", fixture.plan());  // memory "Cuda", and no CUDA provider
  ASSERT_NE(made, nullptr);
  fixture.give(fixture.add(), "INPUT0", {1, 2}, bytes_of<float>({-1, 2}));
  run(fixture, *made);
  EXPECT_THAT(fixture.status(0).message(), testing::HasSubstr("onnx runtime error"));
  end(fixture);
}

}  // namespace
}  // namespace penstock
