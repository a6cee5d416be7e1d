// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Batches through ONNX Runtime: values, batch sizes, types, leases, failures (contract 5.2).
#include <algorithm>
#include <thread>

#include "ort_fixture.h"

namespace penstock {
namespace {

ModelPlan one_to_one(DataType type, Shape dims, std::int64_t max_batch = 8) {
  return plan_of(max_batch, {spec_of("INPUT0", type, dims)}, {spec_of("OUTPUT0", type, dims)});
}

ModelPlan add_sub_plan() {
  const auto fp32 = [](const char* name) { return spec_of(name, DataType::kFp32, {4}); };
  return plan_of(8, {fp32("INPUT0"), fp32("INPUT1")}, {fp32("OUTPUT0"), fp32("OUTPUT1")});
}

std::vector<float> ramp(std::size_t count, float first) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = first + static_cast<float>(i);
  return values;
}

class OnnxRun : public OrtTest {
 protected:
  // A request with rows [first, first+1, ...] and [1, 2, ...]; returns sum and difference.
  static std::pair<std::string, std::string> add_pair(BatchFixture& fixture, std::int64_t rows,
                                                      float first) {
    const auto count = static_cast<std::size_t>(rows) * 4;
    const auto a = ramp(count, first);
    const auto b = ramp(count, 1);
    Request& request = fixture.add();
    fixture.give(request, "INPUT0", {rows, 4}, bytes_of(a));
    fixture.give(request, "INPUT1", {rows, 4}, bytes_of(b));
    std::vector<float> sum(count);
    std::vector<float> difference(count);
    std::transform(a.begin(), a.end(), b.begin(), sum.begin(), std::plus<>());
    std::transform(a.begin(), a.end(), b.begin(), difference.begin(), std::minus<>());
    return {bytes_of(sum), bytes_of(difference)};
  }
};

TEST_F(OnnxRun, EveryRequestOfABatchGetsItsRows) {
  for (const auto& rows : std::vector<std::vector<std::int64_t>>{
           {1}, {3}, {8}, {1, 1, 1}, {2, 1}, {1, 3, 4}, std::vector<std::int64_t>(8, 1)}) {
    BatchFixture fixture(add_sub_plan());
    auto made = instance("add_sub", fixture.plan());
    std::vector<std::pair<std::string, std::string>> expected;
    for (auto n : rows) {
      expected.push_back(add_pair(fixture, n, 100.0F * static_cast<float>(expected.size())));
    }
    fixture.run(*made);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_TRUE(fixture.status(i).ok()) << fixture.status(i).message();
      EXPECT_EQ(fixture.output_bytes(i, "OUTPUT0"), expected[i].first) << i;
      EXPECT_EQ(fixture.output_bytes(i, "OUTPUT1"), expected[i].second) << i;
      EXPECT_EQ(fixture.output_shape(i, "OUTPUT0"), "[" + std::to_string(rows[i]) + ",4]");
    }
    EXPECT_GT(fixture.batch().exec_start_ns(), 0);
    EXPECT_GE(fixture.batch().exec_end_ns(), fixture.batch().exec_start_ns());
  }
}

TEST_F(OnnxRun, OutputsThatNobodyAskedForAreNotMade) {
  BatchFixture fixture(add_sub_plan());
  auto made = instance("add_sub", fixture.plan());
  const auto first = add_pair(fixture, 1, 10);
  const auto second = add_pair(fixture, 1, 20);
  fixture.request(0).add_output("OUTPUT1");
  fixture.request(1).add_output("OUTPUT1");
  const auto before = fixture.pool().stats().acquired;
  fixture.run(*made);
  EXPECT_EQ(fixture.pool().stats().acquired - before, 3u);  // two gathered inputs, one output
  EXPECT_EQ(fixture.output(0, "OUTPUT0"), nullptr);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT1"), first.second);
  EXPECT_EQ(fixture.output_bytes(1, "OUTPUT1"), second.second);
}

TEST_F(OnnxRun, BatchMatesMayAskForDifferentOutputs) {
  BatchFixture fixture(add_sub_plan());
  auto made = instance("add_sub", fixture.plan());
  const auto first = add_pair(fixture, 1, 10);
  const auto second = add_pair(fixture, 2, 20);
  fixture.request(0).add_output("OUTPUT0");
  fixture.request(1).add_output("OUTPUT1");
  fixture.run(*made);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), first.first);
  EXPECT_EQ(fixture.output(0, "OUTPUT1"), nullptr);
  EXPECT_EQ(fixture.output(1, "OUTPUT0"), nullptr);
  EXPECT_EQ(fixture.output_bytes(1, "OUTPUT1"), second.second);
}

TEST_F(OnnxRun, ABatchOfOneIsRunOnTheReceivedBytes) {
  BatchFixture fixture(add_sub_plan());
  auto made = instance("add_sub", fixture.plan());
  add_pair(fixture, 1, 10);
  const auto before = fixture.pool().stats().acquired;
  fixture.run(*made);
  EXPECT_EQ(fixture.pool().stats().acquired - before, 2u);  // the outputs
}

TEST_F(OnnxRun, BytesThatBeginAnywhere) {
  for (std::size_t offset : {1, 2, 3, 4, 5}) {
    BatchFixture fixture(add_sub_plan());
    auto made = instance("add_sub", fixture.plan());
    Request& request = fixture.add();
    fixture.give(request, "INPUT0", {1, 4}, bytes_of(ramp(4, 1)), offset);
    fixture.give(request, "INPUT1", {1, 4}, bytes_of(ramp(4, 1)), offset);
    fixture.run(*made);
    EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({2, 4, 6, 8})) << offset;
  }
}

TEST_F(OnnxRun, ShapesKnownOnlyAfterTheRun) {
  const ModelPlan plan = one_to_one(DataType::kFp32, {-1});
  BatchFixture fixture(plan);
  auto made = instance("relu_dynamic", plan);
  fixture.give(fixture.add(), "INPUT0", {2, 3}, bytes_of<float>({-1, 2, -3, 4, -5, 6}));
  fixture.give(fixture.add(), "INPUT0", {1, 3}, bytes_of<float>({7, -8, 9}));
  fixture.run(*made);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({0, 2, 0, 4, 0, 6}));
  EXPECT_EQ(fixture.output_bytes(1, "OUTPUT0"), bytes_of<float>({7, 0, 9}));
  EXPECT_EQ(fixture.output_shape(1, "OUTPUT0"), "[1,3]");
}

// The client's answer may be on its way when the model is gone.
TEST_F(OnnxRun, OutputsOutliveBatchInstanceAndModel) {
  for (const char* name : {"relu_dynamic", "add_sub"}) {
    const bool dynamic = std::string(name) == "relu_dynamic";
    BatchFixture fixture(dynamic ? one_to_one(DataType::kFp32, {-1}) : add_sub_plan());
    auto made = instance(name, fixture.plan());
    if (dynamic) {
      fixture.give(fixture.add(), "INPUT0", {1, 2}, bytes_of<float>({1, 2}));
    } else {
      add_pair(fixture, 1, 0);
    }
    fixture.run(*made);
    ASSERT_NE(fixture.output(0, "OUTPUT0"), nullptr);
    const OutputTensor output = *fixture.output(0, "OUTPUT0");
    const std::string expected = fixture.output_bytes(0, "OUTPUT0");
    fixture.clear();
    made.reset();
    runtime_.reset();
    const std::string bytes(reinterpret_cast<const char*>(output.view.data),
                            output.view.size_bytes);
    EXPECT_EQ(bytes, expected);
    SetUp();
  }
}

TEST_F(OnnxRun, Strings) {
  const ModelPlan plan = one_to_one(DataType::kBytes, {2});
  BatchFixture fixture(plan);
  auto made = instance("string_identity", plan);
  const std::string zero("nul\0inside", 10);
  const std::string large(100'000, 'x');
  fixture.give(fixture.add(), "INPUT0", {1, 2}, wire_strings({"a", ""}));
  fixture.give(fixture.add(), "INPUT0", {2, 2}, wire_strings({"\xc3\xa4", zero, large, "d"}));
  fixture.run(*made);
  ASSERT_TRUE(fixture.status(0).ok()) << fixture.status(0).message();
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), wire_strings({"a", ""}));
  EXPECT_EQ(fixture.output_bytes(1, "OUTPUT0"), wire_strings({"\xc3\xa4", zero, large, "d"}));
  EXPECT_EQ(fixture.output_shape(1, "OUTPUT0"), "[2,2]");
}

TEST_F(OnnxRun, ScalarsAreDimsOne) {  // C-1
  const ModelPlan plan = one_to_one(DataType::kFp32, {1}, 0);
  BatchFixture fixture(plan);
  auto made = instance("neg_scalar", plan);
  fixture.give(fixture.add(), "INPUT0", {1}, bytes_of<float>({2.5F}));
  fixture.run(*made);
  ASSERT_TRUE(fixture.status(0).ok()) << fixture.status(0).message();
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({-2.5F}));
  EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[1]");
}

TEST_F(OnnxRun, HalfBrainFloatAndBool) {
  struct Case {
    const char* model;
    DataType type;
    Shape dims;
    std::string in;
    std::string out;
  };
  for (const Case& c :
       {Case{"neg_fp16", DataType::kFp16, Shape{2}, bytes_of<std::uint16_t>({0x3C00, 0xC000}),
             bytes_of<std::uint16_t>({0xBC00, 0x4000})},
        Case{"identity_bf16", DataType::kBf16, Shape{2}, bytes_of<std::uint16_t>({0x3F80, 0xC000}),
             bytes_of<std::uint16_t>({0x3F80, 0xC000})},
        Case{"not_bool", DataType::kBool, Shape{3}, std::string("\0\1\0", 3),
             std::string("\1\0\1", 3)}}) {
    const ModelPlan plan = one_to_one(c.type, c.dims);
    BatchFixture fixture(plan);
    auto made = instance(c.model, plan);
    Shape shape = c.dims;
    ASSERT_TRUE(shape.try_push_front(1));
    fixture.give(fixture.add(), "INPUT0", shape, c.in);
    fixture.give(fixture.add(), "INPUT0", shape, c.in);
    fixture.run(*made);
    ASSERT_TRUE(fixture.status(1).ok()) << c.model << ": " << fixture.status(1).message();
    EXPECT_EQ(fixture.output_bytes(1, "OUTPUT0"), c.out) << c.model;
  }
}

TEST_F(OnnxRun, EveryNumericType) {
  for (const auto& [name, type] :
       std::vector<std::pair<std::string, DataType>>{{"uint8", DataType::kUint8},
                                                     {"uint16", DataType::kUint16},
                                                     {"uint32", DataType::kUint32},
                                                     {"uint64", DataType::kUint64},
                                                     {"int8", DataType::kInt8},
                                                     {"int16", DataType::kInt16},
                                                     {"int32", DataType::kInt32},
                                                     {"int64", DataType::kInt64},
                                                     {"fp64", DataType::kFp64}}) {
    const ModelPlan plan = one_to_one(type, {2});
    BatchFixture fixture(plan);
    auto made = instance("identity_" + name, plan);
    std::string bytes(2 * element_size(type), '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i + 1);
    fixture.give(fixture.add(), "INPUT0", {1, 2}, bytes);
    fixture.run(*made);
    ASSERT_TRUE(fixture.status(0).ok()) << name << ": " << fixture.status(0).message();
    EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes) << name;
  }
}

TEST_F(OnnxRun, ModelsThatDoNotBatch) {
  const ModelPlan plan = plan_of(0, {spec_of("INPUT0", DataType::kInt64, {2, 3})},
                                 {spec_of("OUTPUT0", DataType::kInt64, {3, 2})});
  BatchFixture fixture(plan);
  auto made = instance("transpose_fixed", plan);
  fixture.give(fixture.add(), "INPUT0", {2, 3}, bytes_of<std::int64_t>({1, 2, 3, 4, 5, 6}));
  fixture.run(*made);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<std::int64_t>({1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[3,2]");
}

TEST_F(OnnxRun, ABatchOfOneOnAModelOfOne) {
  const ModelPlan plan = one_to_one(DataType::kFp32, {4}, 1);
  BatchFixture fixture(plan);
  auto made = instance("neg_batch_one", plan);
  fixture.give(fixture.add(), "INPUT0", {1, 4}, bytes_of<float>({1, 2, 3, 4}));
  fixture.run(*made);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({-1, -2, -3, -4}));
}

TEST_F(OnnxRun, EmptyTensorsInAndOut) {  // C-8
  const ModelPlan plan = plan_of(0, {spec_of("INPUT0", DataType::kFp32, {-1})},
                                 {spec_of("OUTPUT0", DataType::kInt64, {1, -1})});
  for (const auto& in : std::vector<std::vector<float>>{{}, {0, 0}, {0, 5}}) {
    BatchFixture fixture(plan);
    auto made = instance("nonzero", plan);
    fixture.give(fixture.add(), "INPUT0", {static_cast<std::int64_t>(in.size())}, bytes_of(in));
    fixture.run(*made);
    ASSERT_TRUE(fixture.status(0).ok()) << fixture.status(0).message();
    const bool found = !in.empty() && in[1] != 0;
    EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), found ? "[1,1]" : "[1,0]");
    EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), found ? bytes_of<std::int64_t>({1}) : "");
  }
  const ModelPlan strings = one_to_one(DataType::kBytes, {2});
  BatchFixture fixture(strings);
  auto made = instance("string_identity", strings);
  fixture.give(fixture.add(), "INPUT0", {1, 2}, wire_strings({"", ""}));
  fixture.run(*made);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), wire_strings({"", ""}));
}

TEST_F(OnnxRun, UnknownRank) {
  const ModelPlan plan = one_to_one(DataType::kFp32, {-1, 2});
  BatchFixture fixture(plan);
  auto made = instance("unknown_rank", plan);
  fixture.give(fixture.add(), "INPUT0", {1, 1, 2}, bytes_of<float>({1, 2}));
  fixture.run(*made);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({-1, -2}));
  EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[1,1,2]");
}

// ONNX lets an output be an input, or a constant of the session.
TEST_F(OnnxRun, OutputsThatNoNodeComputes) {
  const ModelPlan through =
      plan_of(0, {spec_of("X", DataType::kFp32, {-1})}, {spec_of("X", DataType::kFp32, {-1})});
  BatchFixture fixture(through);
  auto made = instance("passthrough", through);
  Request& request = fixture.add();
  fixture.give(request, "X", {2}, bytes_of<float>({1, 2}));
  fixture.run(*made);
  ASSERT_NE(fixture.output(0, "X"), nullptr);
  EXPECT_EQ(fixture.output_bytes(0, "X"), bytes_of<float>({1, 2}));
  EXPECT_NE(fixture.output(0, "X")->view.data, request.inputs[0].view.data);  // not ours to lease

  const ModelPlan plan = plan_of(
      0, {spec_of("INPUT0", DataType::kFp32, {-1})},
      {spec_of("OUTPUT0", DataType::kFp32, {-1}), spec_of("CONSTANT", DataType::kFp32, {3})});
  BatchFixture constant(plan);
  made = instance("constant", plan);
  constant.give(constant.add(), "INPUT0", {1}, bytes_of<float>({1}));
  constant.run(*made);
  ASSERT_TRUE(constant.status(0).ok()) << constant.status(0).message();
  EXPECT_EQ(constant.output_bytes(0, "CONSTANT"), bytes_of<float>({1, 2, 3}));
}

TEST_F(OnnxRun, AFailedRunFailsItsBatchAndNothingElse) {
  const ModelPlan plan = plan_of(0, {spec_of("INPUT0", DataType::kFp32, {-1})},
                                 {spec_of("OUTPUT0", DataType::kFp32, {3, -1})});
  BatchFixture fixture(plan);
  auto made = instance("reshape_by_three", plan);
  fixture.give(fixture.add(), "INPUT0", {4}, bytes_of(ramp(4, 0)));
  fixture.run(*made);
  EXPECT_EQ(fixture.status(0).code(), Code::kInternal);
  EXPECT_EQ(fixture.status(0).message().rfind("onnx runtime error ", 0), 0u)
      << fixture.status(0).message();
  EXPECT_TRUE(fixture.request(0).response.outputs.empty());
  fixture.clear();
  fixture.give(fixture.add(), "INPUT0", {6}, bytes_of(ramp(6, 0)));
  fixture.run(*made);
  EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[3,2]");
}

TEST_F(OnnxRun, AModelThatLiesAboutItsBatchIsToldSo) {
  const ModelPlan plan = one_to_one(DataType::kFp32, {4});
  for (std::size_t requests : {1, 3}) {
    BatchFixture fixture(plan);
    auto made = instance("doubles_batch", plan);
    for (std::size_t i = 0; i < requests; ++i) {
      fixture.give(fixture.add(), "INPUT0", {1, 4}, bytes_of(ramp(4, 0)));
    }
    fixture.run(*made);
    for (std::size_t i = 0; i < requests; ++i) {
      EXPECT_EQ(fixture.status(i).code(), Code::kInternal);
      EXPECT_NE(fixture.status(i).message(), "");
    }
  }
}

TEST_F(OnnxRun, AMissingOptionalInputIsTheModelsToRefuse) {  // C-3
  ModelPlan plan = one_to_one(DataType::kFp32, {1}, 0);
  plan.inputs[0].optional = true;
  BatchFixture fixture(plan);
  auto made = instance("neg_scalar", plan);
  fixture.add();
  fixture.run(*made);
  EXPECT_EQ(fixture.status(0).code(), Code::kInternal);
  EXPECT_NE(fixture.status(0).message().find("INPUT0"), std::string::npos)
      << fixture.status(0).message();
}

TEST_F(OnnxRun, NoMemoryIsAnAnswer) {
  BufferPoolOptions small;
  small.max_total_bytes = 4096;
  BatchFixture fixture(add_sub_plan(), small);
  auto made = instance("add_sub", fixture.plan());
  add_pair(fixture, 1, 0);
  std::vector<BufferLease> hoard;
  for (BufferLease lease = fixture.pool().acquire(1); lease; lease = fixture.pool().acquire(1)) {
    hoard.push_back(std::move(lease));
  }
  fixture.run(*made);
  EXPECT_EQ(fixture.status(0).code(), Code::kUnavailable);
  EXPECT_EQ(fixture.status(0).message(), "no memory for output 'OUTPUT0' of model 'm': 16 bytes");
}

TEST_F(OnnxRun, InstancesOfOneModelRunAtOnce) {
  auto model = load("relu_dynamic");
  const ModelPlan plan = one_to_one(DataType::kFp32, {-1});
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      auto made = model->create_instance(plan);
      BatchFixture fixture(plan);
      const std::string bytes = bytes_of<float>({static_cast<float>(t + 1)});
      for (int i = 0; i < 500; ++i) {
        fixture.give(fixture.add(), "INPUT0", {1, 1}, bytes);
        fixture.run(*made.value());
        if (fixture.output_bytes(0, "OUTPUT0") != bytes) ++wrong;
        fixture.clear();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(OnnxRun, WarmBatchesReuseTheirMemory) {
  BatchFixture fixture(add_sub_plan());
  auto made = instance("add_sub", fixture.plan());
  std::uint64_t warm = 0;
  for (int i = 0; i < 200; ++i) {
    add_pair(fixture, 1, 0);
    add_pair(fixture, 2, 0);
    fixture.run(*made);
    ASSERT_TRUE(fixture.status(0).ok());
    fixture.clear();
    if (i == 20) warm = fixture.pool().stats().system_allocs;
  }
  EXPECT_EQ(fixture.pool().stats().system_allocs, warm);
  EXPECT_EQ(fixture.pool().stats().in_use_bytes, 0u);
}

}  // namespace
}  // namespace penstock
