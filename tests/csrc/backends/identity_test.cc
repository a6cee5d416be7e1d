// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The identity back end (contract 5.4).
#include "batch_fixture.h"

namespace penstock {
namespace {

ModelPlan two_pairs(std::vector<std::string> in, std::vector<std::string> out) {
  ModelPlan plan = plan_of(8, {}, {});
  for (auto& name : in) plan.inputs.push_back(spec_of(name, DataType::kInt32, {-1}));
  for (auto& name : out) plan.outputs.push_back(spec_of(name, DataType::kInt32, {-1}));
  return plan;
}

std::string ints(std::vector<std::int32_t> values) { return bytes_of(values); }

TEST(Identity, OutputsAreTheInputsBytesAndLease) {
  BatchFixture fixture(two_pairs({"INPUT0"}, {"OUTPUT0"}));
  Request& request = fixture.add();
  fixture.give(request, "INPUT0", {1, 3}, ints({1, 2, 3}));
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  ASSERT_TRUE(fixture.status(0).ok());
  const OutputTensor* output = fixture.output(0, "OUTPUT0");
  ASSERT_NE(output, nullptr);
  EXPECT_EQ(output->view.data, request.inputs[0].view.data);
  EXPECT_EQ(output->lease.get(), request.inputs[0].lease.get());
  EXPECT_EQ(output->view.shape, (Shape{1, 3}));
}

TEST(Identity, BatchMatesKeepTheirOwnShapes) {
  BatchFixture fixture(two_pairs({"INPUT0"}, {"OUTPUT0"}));
  fixture.give(fixture.add(), "INPUT0", {2, 1}, ints({1, 2}));
  fixture.give(fixture.add(), "INPUT0", {1, 3}, ints({3, 4, 5}));
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), ints({1, 2}));
  EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[2,1]");
  EXPECT_EQ(fixture.output_bytes(1, "OUTPUT0"), ints({3, 4, 5}));
  EXPECT_EQ(fixture.output_shape(1, "OUTPUT0"), "[1,3]");
}

TEST(Identity, PairsByTheDigitsThatEndTheNames) {
  BatchFixture fixture(two_pairs({"INPUT0", "INPUT1"}, {"OUTPUT1", "OUTPUT0"}));
  Request& request = fixture.add();
  fixture.give(request, "INPUT0", {1, 1}, ints({10}));
  fixture.give(request, "INPUT1", {1, 1}, ints({11}));
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), ints({10}));
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT1"), ints({11}));
}

TEST(Identity, PairsByPositionWhenNamesDoNot) {
  for (const auto& names : {std::vector<std::string>{"a", "b"}, {"x1", "y1"}, {"x1", "y"}}) {
    BatchFixture fixture(two_pairs(names, {"out1", "out2"}));
    Request& request = fixture.add();
    fixture.give(request, names[0], {1, 1}, ints({10}));
    fixture.give(request, names[1], {1, 1}, ints({11}));
    auto instance = make_identity_instance({});
    fixture.run(*instance);
    EXPECT_EQ(fixture.output_bytes(0, "out1"), ints({10})) << names[0];
    EXPECT_EQ(fixture.output_bytes(0, "out2"), ints({11})) << names[0];
  }
}

TEST(Identity, OnlyRequestedOutputs) {
  BatchFixture fixture(two_pairs({"INPUT0", "INPUT1"}, {"OUTPUT0", "OUTPUT1"}));
  Request& request = fixture.add();
  fixture.give(request, "INPUT0", {1, 1}, ints({10}));
  fixture.give(request, "INPUT1", {1, 1}, ints({11}));
  request.add_output("OUTPUT1");
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  EXPECT_EQ(fixture.output(0, "OUTPUT0"), nullptr);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT1"), ints({11}));
}

TEST(Identity, OptionalInputThatIsAbsentHasNoOutput) {
  ModelPlan plan = two_pairs({"INPUT0", "INPUT1"}, {"OUTPUT0", "OUTPUT1"});
  plan.inputs[1].optional = true;
  BatchFixture fixture(plan);
  fixture.give(fixture.add(), "INPUT0", {1, 1}, ints({10}));
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  ASSERT_TRUE(fixture.status(0).ok());
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), ints({10}));
  EXPECT_EQ(fixture.output(0, "OUTPUT1"), nullptr);
}

TEST(Identity, ReshapeIsUndone) {  // C-2
  ModelPlan plan = two_pairs({"INPUT0"}, {"OUTPUT0"});
  plan.inputs[0].dims = plan.outputs[0].dims = Shape{2, 2};
  plan.inputs[0].reshape = plan.outputs[0].reshape = Shape{4};
  BatchFixture fixture(plan);
  fixture.give(fixture.add(), "INPUT0", {1, 2, 2}, ints({1, 2, 3, 4}));
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  EXPECT_EQ(fixture.output_shape(0, "OUTPUT0"), "[1,2,2]");
}

TEST(Identity, StringsAndEmptyTensors) {  // C-8
  ModelPlan plan = plan_of(8, {spec_of("INPUT0", DataType::kBytes, {-1})},
                           {spec_of("OUTPUT0", DataType::kBytes, {-1})});
  BatchFixture fixture(plan);
  fixture.give(fixture.add(), "INPUT0", {1, 2}, wire_strings({"a", ""}));
  fixture.give(fixture.add(), "INPUT0", {1, 0}, "");
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), wire_strings({"a", ""}));
  EXPECT_EQ(fixture.output_shape(1, "OUTPUT0"), "[1,0]");
}

TEST(Identity, DelayIsWaitedOutBetweenTheStamps) {
  BatchFixture fixture(two_pairs({"INPUT0"}, {"OUTPUT0"}));
  fixture.give(fixture.add(), "INPUT0", {1, 1}, ints({1}));
  auto instance = make_identity_instance({.execute_delay_ms = 20});
  fixture.run(*instance);
  EXPECT_GE(fixture.batch().exec_end_ns() - fixture.batch().exec_start_ns(), 20'000'000);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), ints({1}));
}

TEST(Identity, NegativeDelayIsNone) {
  BatchFixture fixture(two_pairs({"INPUT0"}, {"OUTPUT0"}));
  fixture.give(fixture.add(), "INPUT0", {1, 1}, ints({1}));
  auto instance = make_identity_instance({.execute_delay_ms = -5});
  fixture.run(*instance);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), ints({1}));
}

TEST(Identity, RefusesPlansThatDoNotPair) {
  const ModelPlan count = two_pairs({"INPUT0"}, {"OUTPUT0", "OUTPUT1"});
  EXPECT_EQ(check_identity_plan(count).message(),
            "identity back end: model 'm' has 1 inputs and 2 outputs, expected as many of each");
  ModelPlan type = two_pairs({"INPUT0"}, {"OUTPUT0"});
  type.outputs[0].type = DataType::kFp32;
  EXPECT_EQ(check_identity_plan(type).message(),
            "identity back end: model 'm', input 'INPUT0' and output 'OUTPUT0': expected the same "
            "datatype, got TYPE_INT32 and TYPE_FP32");
  ModelPlan shape = two_pairs({"INPUT0"}, {"OUTPUT0"});
  shape.outputs[0].dims = Shape{3};
  EXPECT_EQ(check_identity_plan(shape).message(),
            "identity back end: model 'm', input 'INPUT0' and output 'OUTPUT0': expected the same "
            "shape, got [-1] and [3]");
  EXPECT_EQ(check_identity_plan(count).code(), Code::kInvalidArg);
}

TEST(Identity, AnswersABadPlanWithItsError) {
  BatchFixture fixture(two_pairs({"INPUT0"}, {"OUTPUT0", "OUTPUT1"}));
  fixture.give(fixture.add(), "INPUT0", {1, 1}, ints({1}));
  auto instance = make_identity_instance({});
  fixture.run(*instance);
  EXPECT_EQ(fixture.status(0).message(), check_identity_plan(fixture.plan()).message());
}

}  // namespace
}  // namespace penstock
