// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Tensors in memory that clients share with the server (contract 1.9), through both codecs.
#include <gtest/gtest.h>

#include "fake_cudart.h"
#include "penstock/shared_regions.h"
#include "wire/proto_text.h"
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

class RegionTest : public WireTest {
 protected:
  RegionTest() : cuda_(CudaRuntime::open({PENSTOCK_FAKE_CUDART}).value()), regions_(cuda_) {
    http_.emplace(pool_, CodecLimits{}, &regions_);
    grpc_.emplace(pool_, CodecLimits{}, &regions_);
    std::string handle(64, '\0');
    fake_->foreign_handle(handle.data(), 64, 0);
    add(RegionKind::kCuda, "gpu", open_cuda_region(cuda_, "gpu", handle, 0, 64).value());
    host_ = pool_.acquire(64);
    add(RegionKind::kSystem, "host", host_);
  }

  void add(RegionKind kind, const char* name, BufferLease memory) {
    RegionInfo info;
    info.kind = kind;
    info.name = name;
    info.size_bytes = 64;
    ASSERT_TRUE(regions_.add(std::move(info), std::move(memory)).ok());
  }
  float* values_of_region(const char* name) {
    const auto window = regions_.window(name, 0, 64);
    void* data = window.value().data;
    if (name == std::string_view("gpu")) data = fake_->view(data);
    return static_cast<float*>(data);
  }
  Status http_from(const std::string& region, int size, int offset) {
    return http(R"({"inputs":[{"name":"IN","datatype":"FP32","shape":[2],"parameters":{)"
                R"("shared_memory_region":")" +
                region + R"(","shared_memory_byte_size":)" + std::to_string(size) +
                R"(,"shared_memory_offset":)" + std::to_string(offset) + "}}]}");
  }
  std::string text() {
    std::string joined;
    for (const auto& segment : reply_.segments) {
      joined.append(reinterpret_cast<const char*>(segment.data()), segment.size());
    }
    return joined;
  }

  FakeCudart fake_{PENSTOCK_FAKE_CUDART};
  std::shared_ptr<CudaRuntime> cuda_;
  SharedRegions regions_;
  BufferLease host_;
};

TEST_F(RegionTest, InputOnTheHostIsAView) {
  values_of_region("host")[1] = 7;
  EXPECT_OK(http_from("host", 8, 4));
  EXPECT_EQ(input().view.data, host_->data + 4);
  EXPECT_EQ(values_of<float>(input().view)[0], 7);
}

TEST_F(RegionTest, InputOnAGpuIsCopiedForAModelOnTheHost) {
  values_of_region("gpu")[1] = 7;
  EXPECT_OK(http_from("gpu", 8, 4));
  EXPECT_EQ(input().view.memory, MemoryKind::kCpu);
  EXPECT_EQ(values_of<float>(input().view)[0], 7);
}

TEST_F(RegionTest, InputOnAGpuStaysThereForAModelOfGpus) {
  plan_.instance_devices = {0};
  EXPECT_OK(http_from("gpu", 8, 4));
  EXPECT_EQ(input().view.memory, MemoryKind::kGpu);
  plan_.cached = true;  // its inputs are read for the cache
  EXPECT_OK(http_from("gpu", 8, 4));
  EXPECT_EQ(input().view.memory, MemoryKind::kCpu);
}

TEST_F(RegionTest, WindowIsKeptAsLongAsTheRequest) {
  EXPECT_OK(http_from("host", 8, 0));
  regions_.remove_all(RegionKind::kSystem);
  EXPECT_EQ(values_of<float>(input().view).size(), 2U);
}

TEST_F(RegionTest, OutputsAreWrittenWhereTheyAreWanted) {
  for (const char* name : {"host", "gpu"}) {
    EXPECT_OK(http(std::string(R"({"inputs":[],"outputs":[{"name":"OUT","parameters":{)"
                               R"("shared_memory_region":")") +
                   name + R"(","shared_memory_byte_size":12,"shared_memory_offset":4}}]})"));
    add_values<float>(0, DataType::kFp32, Shape{2}, {1, 2});
    EXPECT_OK(http_->encode(request_->response, reply_));
    EXPECT_EQ(text(), R"({"model_name":"m","model_version":"3",)"
                      R"("outputs":[{"name":"OUT","datatype":"FP32","shape":[2]}]})");
    EXPECT_EQ(values_of_region(name)[1], 1);
    EXPECT_EQ(values_of_region(name)[2], 2);
  }
}

TEST_F(RegionTest, OutputThatDoesNotFitIsAnError) {  // SHM-6
  EXPECT_OK(http(R"({"inputs":[],"outputs":[{"name":"OUT","parameters":{)"
                 R"("shared_memory_region":"host","shared_memory_byte_size":4}}]})"));
  add_values<float>(0, DataType::kFp32, Shape{2}, {1, 2});
  EXPECT_STATUS(http_->encode(request_->response, reply_), kInternal,
                "shared memory size specified with the request for output 'OUT' (4 bytes) should "
                "be at least 8 bytes to hold the results");
}

TEST_F(RegionTest, CopyThatFailsIsTold) {
  fake_->fail("cudaMemcpy", 1, 0);
  EXPECT_STATUS(http_from("gpu", 8, 0), kInternal, "GPU 0: cudaMemcpy: invalid argument (1)");
}

TEST_F(RegionTest, GrpcTakesTheSame) {  // SHM-7, SHM-8
  values_of_region("host")[2] = 7;
  const std::string region = parameter(4, "shared_memory_region", string_param("host"));
  const std::string size = parameter(4, "shared_memory_byte_size", int64_param(8));
  const std::string offset = parameter(4, "shared_memory_offset", int64_param(8));
  EXPECT_OK(grpc(input_field("IN", "FP32", {2}, region + size + offset)));
  EXPECT_EQ(values_of<float>(input().view)[0], 7);
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {2}, size)), kInvalidArg,
                "'shared_memory_byte_size' can not be specified without 'shared_memory_region' "
                "parameter for tensor 'IN'");
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {2}, offset)), kInvalidArg,
                "'shared_memory_offset' can not be specified without 'shared_memory_region' "
                "parameter for tensor 'IN'");
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {2},
                                 region + parameter(4, "shared_memory_offset", string_param("8")))),
                kInvalidArg,
                "invalid value type for 'shared_memory_offset' parameter for tensor 'IN', expected "
                "int64_param.");
  EXPECT_STATUS(
      grpc(input_field("IN", "FP32", {2},
                       region + size + parameter(4, "shared_memory_offset", int64_param(-1)))),
      kInvalidArg, "Invalid offset for shared memory region: 'host'");
  EXPECT_STATUS(grpc(input_field("IN", "FP32", {2}, region + size + contents(text_value(6, "x")))),
                kInvalidArg,
                "unexpected 'content' provided when using shared memory for input tensor 'IN' for "
                "model 'm'");
}

}  // namespace
}  // namespace penstock::testing
