// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Opening ONNX Runtime, loading models, and the checks of a plan (contract 5.2).
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "ort_fixture.h"

namespace penstock {
namespace {

using testing::TempDir;

std::string write_file(const std::string& name, const std::string& bytes) {
  const std::string path = TempDir() + "penstock_" + std::to_string(getpid()) + "_" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(OnnxRuntimeOpen, SaysWhatIsWrongWithTheLibrary) {
  OnnxRuntimeOptions options;
  options.library = "/nonexistent/libonnxruntime.so.1";
  auto missing = OnnxRuntime::open(options);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), Code::kUnavailable);
  EXPECT_NE(missing.status().message().find(options.library), std::string::npos);

  options.library = "libm.so.6";
  auto other = OnnxRuntime::open(options);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.status().message(),
            "'libm.so.6' is not ONNX Runtime: it has no function OrtGetApiBase");

  options.library = PENSTOCK_OLD_ORT_LIBRARY;
  auto old = OnnxRuntime::open(options);
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.status().code(), Code::kUnsupported);
  EXPECT_EQ(old.status().message(),
            "ONNX Runtime 1.16.3 of '" + options.library + "' is too old: 1.17 or later needed");
}

class OnnxLoad : public OrtTest {
 protected:
  Status load_error(const std::string& path, const OnnxModelOptions& options = one_thread()) {
    auto model = OnnxModel::load(runtime_, path, options);
    return model.ok() ? Status{} : model.take_status();
  }
  std::string plan_error(const std::string& name, const ModelPlan& plan) {
    auto made = load(name)->create_instance(plan);
    return made.ok() ? "OK" : made.status().message();
  }
};

TEST_F(OnnxLoad, VersionIsThePublishedOne) { EXPECT_EQ(runtime_->version().substr(0, 2), "1."); }

TEST_F(OnnxLoad, TellsInputsAndOutputs) {
  auto model = load("add_sub");
  ASSERT_EQ(model->inputs().size(), 2u);
  ASSERT_EQ(model->outputs().size(), 2u);
  EXPECT_EQ(model->inputs()[1].name, "INPUT1");
  EXPECT_EQ(model->inputs()[1].type, DataType::kFp32);
  EXPECT_EQ(model->inputs()[1].onnx_type, "tensor(float)");
  EXPECT_TRUE(model->inputs()[1].rank_known);
  EXPECT_EQ(model->inputs()[1].dims, (Shape{-1, 4}));
  EXPECT_EQ(model->outputs()[1].name, "OUTPUT1");
}

TEST_F(OnnxLoad, TellsAScalarFromAnUnknownRank) {
  EXPECT_TRUE(load("neg_scalar")->inputs()[0].rank_known);
  EXPECT_TRUE(load("neg_scalar")->inputs()[0].dims.empty());
  EXPECT_FALSE(load("unknown_rank")->inputs()[0].rank_known);
}

TEST_F(OnnxLoad, TellsTypesTheProtocolHasNot) {
  auto model = load("sequence_output");
  EXPECT_EQ(model->outputs()[1].type, DataType::kInvalid);
  EXPECT_EQ(model->outputs()[1].onnx_type, "sequence");
}

TEST_F(OnnxLoad, FilesThatAreNoModelsFailInOnnxRuntimesWords) {
  const Status missing = load_error("/nonexistent/model.onnx");
  EXPECT_EQ(missing.code(), Code::kInternal);
  EXPECT_EQ(missing.message().rfind("onnx runtime error 3: ", 0), 0u) << missing.message();
  EXPECT_NE(missing.message().find("/nonexistent/model.onnx"), std::string::npos);

  for (const std::string& bytes : {std::string(), std::string("plain text, no model\n"),
                                   std::string(4096, '\xff'), std::string(4096, '\0')}) {
    const std::string path = write_file("bad.onnx", bytes);
    const Status status = load_error(path);
    EXPECT_EQ(status.code(), Code::kInternal);
    EXPECT_EQ(status.message().rfind("onnx runtime error ", 0), 0u) << status.message();
    std::remove(path.c_str());
  }
}

// Every truncation and one flipped bit per byte: loads, or says why not; never more than that.
TEST_F(OnnxLoad, CorruptFilesNeverCrash) {
  const std::string good = read_file(model_path("add_sub"));
  ASSERT_FALSE(good.empty());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    for (const std::string& bytes : {good.substr(0, i), flipped}) {
      const std::string path = write_file("corrupt.onnx", bytes);
      const Status status = load_error(path);
      EXPECT_TRUE(status.ok() || !status.message().empty());
      std::remove(path.c_str());
    }
  }
}

TEST_F(OnnxLoad, PlansAreCheckedAgainstTheModel) {
  const auto fp32 = [](const std::string& name, Shape dims) {
    return spec_of(name, DataType::kFp32, dims);
  };
  const auto with = [&](std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs,
                        std::int64_t max_batch = 8) {
    return plan_error("add_sub", plan_of(max_batch, std::move(inputs), std::move(outputs)));
  };
  const std::vector<TensorSpec> ins{fp32("INPUT0", {4}), fp32("INPUT1", {4})};
  const std::vector<TensorSpec> outs{fp32("OUTPUT0", {4})};
  EXPECT_EQ(with(ins, outs), "OK");
  EXPECT_EQ(with({ins[0]}, outs),
            "unable to load model 'm', configuration expects 1 inputs, model provides 2");
  EXPECT_EQ(with({ins[0], fp32("X", {4})}, outs),
            "unexpected inference input 'X', allowed inputs are: INPUT0, INPUT1");
  EXPECT_EQ(with(ins, {fp32("Y", {4})}),
            "unexpected inference output 'Y', allowed outputs are: OUTPUT0, OUTPUT1");
  EXPECT_EQ(with({ins[0], spec_of("INPUT1", DataType::kInt32, {4})}, outs),
            "unable to load model 'm', configuration expects datatype TYPE_INT32 for input "
            "'INPUT1', model provides TYPE_FP32");
  EXPECT_EQ(with({ins[0], fp32("INPUT1", {5})}, outs),
            "unable to load model 'm', tensor 'INPUT1': the model expects shape [-1,4] but the "
            "model configuration specifies shape [-1,5]");
  EXPECT_EQ(with({ins[0], fp32("INPUT1", {-1})}, outs),
            "unable to load model 'm', tensor 'INPUT1': the model expects shape [-1,4] but the "
            "model configuration specifies shape [-1,-1]");
  EXPECT_EQ(with({ins[0], fp32("INPUT1", {2, 2})}, outs),
            "unable to load model 'm', tensor 'INPUT1': the model expects 2 dimensions (shape "
            "[-1,4]) but the model configuration specifies 3 dimensions (an initial batch "
            "dimension because max_batch_size > 0 followed by the explicit tensor shape, making "
            "complete shape [-1,2,2])");
  EXPECT_EQ(with(ins, outs, 0),
            "unable to load model 'm', tensor 'INPUT0': the model expects 2 dimensions (shape "
            "[-1,4]) but the model configuration specifies 1 dimensions (shape [4])");
}

TEST_F(OnnxLoad, ModelsWithoutABatchDimensionDoNotBatch) {
  const auto plan = [](std::int64_t max_batch) {
    return plan_of(max_batch, {spec_of("INPUT0", DataType::kFp32, {4})},
                   {spec_of("OUTPUT0", DataType::kFp32, {4})});
  };
  EXPECT_EQ(plan_error("neg_batch_one", plan(1)), "OK");
  EXPECT_EQ(plan_error("neg_batch_one", plan(2)),
            "unable to load model 'm', tensor 'INPUT0': for the model to support batching the "
            "shape should have at least 1 dimension and the first dimension must be -1; but shape "
            "expected by the model is [1,4]");
}

TEST_F(OnnxLoad, OutputsTheProtocolHasNotMayBeLeftOut) {
  ModelPlan plan = plan_of(8, {spec_of("INPUT0", DataType::kFp32, {4})},
                           {spec_of("OUTPUT0", DataType::kFp32, {4})});
  EXPECT_EQ(plan_error("sequence_output", plan), "OK");
  plan.outputs.push_back(spec_of("SEQUENCE", DataType::kFp32, {4}));
  EXPECT_EQ(plan_error("sequence_output", plan),
            "unable to load model 'm', configuration expects datatype TYPE_FP32 for output "
            "'SEQUENCE', model provides sequence, which the protocol cannot carry");
}

TEST_F(OnnxLoad, OptionalAndRaggedInputs) {  // contract 5.2, C-3, C-4
  ModelPlan plan = plan_of(8, {spec_of("INPUT0", DataType::kFp32, {4})},
                           {spec_of("OUTPUT0", DataType::kFp32, {4})});
  plan.inputs[0].optional = true;
  EXPECT_EQ(plan_error("sequence_output", plan),
            "unable to load model 'm', optional input 'INPUT0' is only supported when "
            "max_batch_size is 0");
  plan.inputs[0].optional = false;
  plan.inputs[0].allow_ragged_batch = true;
  EXPECT_EQ(plan_error("sequence_output", plan),
            "unable to load model 'm', configuration expects model provides input with shape [-1] "
            "for ragged input 'INPUT0', model provides [-1,4]");
}

}  // namespace
}  // namespace penstock
