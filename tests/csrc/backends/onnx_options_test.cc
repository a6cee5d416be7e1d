// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Settings of models and of the runtime (contract 5.2), seen in what ONNX Runtime logs of them.
#include <mutex>

#include "ort_fixture.h"

namespace penstock {
namespace {

TEST(OnnxModelOptions, OptionsAreReadAndChecked) {
  OnnxModelOptions options;
  EXPECT_TRUE(options.set("optimization.graph.level", "-1").ok());
  EXPECT_TRUE(options.set("intra_op_thread_count", "2").ok());
  EXPECT_TRUE(options.set("inter_op_thread_count", "1").ok());
  EXPECT_TRUE(options.set("execution_mode", "1").ok());
  EXPECT_TRUE(options.set("enable_mem_arena", "0").ok());
  EXPECT_TRUE(options.set("enable_mem_pattern", "false").ok());
  EXPECT_EQ(options.graph_level, -1);
  EXPECT_EQ(options.intra_op_thread_count, 2);
  EXPECT_EQ(options.execution_mode, 1);
  EXPECT_FALSE(options.enable_mem_arena);
  EXPECT_FALSE(options.enable_mem_pattern);

  EXPECT_EQ(options.set("execution_mode", "2").message(),
            "Invalid configuration value provided. Expected values for execution_mode are 0 or 1 "
            "but got 2 .");
  EXPECT_EQ(options.set("intra_op_thread_count", "many").message(),
            "ONNX Runtime parameter 'intra_op_thread_count' must be an integer, got 'many'");
  EXPECT_EQ(options.set("intra_op_thread_count", "-1").message(),
            "ONNX Runtime parameter 'intra_op_thread_count' must be a thread count of 0 "
            "(automatic) to 4096, got '-1'");
  EXPECT_EQ(options.set("enable_mem_arena", "2").message(),
            "ONNX Runtime parameter 'enable_mem_arena' must be 0 or 1, got '2'");
  EXPECT_EQ(options.set("warp_speed", "9").message(),
            "unknown ONNX Runtime parameter 'warp_speed'");
  EXPECT_EQ(options.set("warp_speed", "9").code(), Code::kInvalidArg);
}

// A runtime whose whole log is kept.
class OnnxOptions : public OrtTest {
 protected:
  OnnxRuntimeOptions runtime_options() override {
    OnnxRuntimeOptions options = OrtTest::runtime_options();
    options.log_severity = 0;
    options.log = [this](int, std::string_view message) {
      const std::lock_guard lock(mutex_);
      log_.append(message).append("\n");
    };
    return options;
  }
  // The log since the last call.
  std::string take_log() {
    const std::lock_guard lock(mutex_);
    return std::exchange(log_, {});
  }
  Status load_error(const std::string& path, const OnnxModelOptions& options) {
    auto model = OnnxModel::load(runtime_, path, options);
    return model.ok() ? Status{} : model.take_status();
  }

  std::mutex mutex_;
  std::string log_;
};

class OnnxGlobalPool : public OnnxOptions {
 protected:
  OnnxRuntimeOptions runtime_options() override {
    OnnxRuntimeOptions options = OnnxOptions::runtime_options();
    options.global_thread_pool = true;
    options.intra_op_threads = 2;
    options.inter_op_threads = 1;
    return options;
  }
};

ModelPlan relu_plan() {
  return plan_of(8, {spec_of("INPUT0", DataType::kFp32, {-1})},
                 {spec_of("OUTPUT0", DataType::kFp32, {-1})});
}

void expect_relu_runs(NativeInstance& instance, const std::string& what) {
  BatchFixture fixture(relu_plan());
  fixture.give(fixture.add(), "INPUT0", {1, 2}, bytes_of<float>({-1, 1}));
  fixture.run(instance);
  EXPECT_EQ(fixture.output_bytes(0, "OUTPUT0"), bytes_of<float>({0, 1})) << what;
}

TEST_F(OnnxOptions, EveryOptionReachesOnnxRuntime) {
  struct Case {
    const char* key;
    const char* value;
    const char* logged;
  };
  for (const Case& c : {
           Case{"optimization.graph.level", "-1", " graph_optimization_level:1 "},
           Case{"optimization.graph.level", "0", " graph transformer(s) for level 3 "},
           Case{"optimization.graph.level", "1", " graph_optimization_level:2 "},
           Case{"optimization.graph.level", "2", " graph_optimization_level:0 "},
           Case{"intra_op_thread_count", "2",
                "intra_op_param:OrtThreadPoolParams { "
                "thread_pool_size: 2 "},
           Case{"inter_op_thread_count", "2",
                "inter_op_param:OrtThreadPoolParams { "
                "thread_pool_size: 2 "},
           Case{"execution_mode", "0", " execution_mode:0 "},
           Case{"execution_mode", "1", " execution_mode:1 "},
           Case{"enable_mem_arena", "0", " enable_cpu_mem_arena:0 "},
           Case{"enable_mem_arena", "1", " enable_cpu_mem_arena:1 "},
           Case{"enable_mem_pattern", "0", " enable_mem_pattern:0 "},
           Case{"enable_mem_pattern", "1", " enable_mem_pattern:1 "},
           Case{"session.use_device_allocator_for_initializers", "1",
                " session.use_device_allocator_for_initializers: 1 "},
           // idle threads do not spin, unless the model says so
           Case{"execution_mode", "0", " session.intra_op.allow_spinning: 0 "},
           Case{"execution_mode", "0", " session.inter_op.allow_spinning: 0 "},
           Case{"session.intra_op.allow_spinning", "1", " session.intra_op.allow_spinning: 1 "},
       }) {
    OnnxModelOptions options = one_thread();
    ASSERT_TRUE(options.set(c.key, c.value).ok());
    (void)take_log();
    auto made = instance("relu_dynamic", relu_plan(), options);
    ASSERT_NE(made, nullptr) << c.key;
    const std::string log = take_log();
    const std::string what = std::string(c.key) + "=" + c.value;
    EXPECT_NE(log.find(c.logged), std::string::npos) << what << "\n" << log;
    expect_relu_runs(*made, what);
  }
}

// What it takes of devices is seen in BadSessionSettingsAreOnnxRuntimesToRefuse.
TEST_F(OnnxOptions, TheArenaMayShrinkAfterEveryRun) {
  OnnxModelOptions options = one_thread();
  ASSERT_TRUE(options.set("memory.enable_memory_arena_shrinkage", "cpu:0").ok());
  auto made = instance("relu_dynamic", relu_plan(), options);
  ASSERT_NE(made, nullptr);
  expect_relu_runs(*made, "first");
  expect_relu_runs(*made, "after shrinking");
}

TEST_F(OnnxOptions, BadSessionSettingsAreOnnxRuntimesToRefuse) {
  OnnxModelOptions options = one_thread();
  options.custom_op_libraries = {"/nonexistent/libops.so"};
  const Status library = load_error(model_path("add_sub"), options);
  EXPECT_NE(library.message().find("/nonexistent/libops.so"), std::string::npos)
      << library.message();

  options = one_thread();
  options.arena_shrinkage = "nonsense";
  const ModelPlan plan = plan_of(8, {spec_of("INPUT0", DataType::kFp32, {-1})},
                                 {spec_of("OUTPUT0", DataType::kFp32, {-1})});
  auto made = instance("relu_dynamic", plan, options);
  BatchFixture fixture(plan);
  fixture.give(fixture.add(), "INPUT0", {1, 1}, bytes_of<float>({1}));
  fixture.run(*made);
  EXPECT_EQ(fixture.status(0).code(), Code::kInternal);
}

// The library of the tests is built for the CPU: each provider has its own words for that, so a
// wrong position in the table would show.
TEST_F(OnnxOptions, ProvidersThatTheLibraryHasNotFailTheLoad) {
  const std::pair<OnnxProvider, const char*> cases[] = {
      {{"CUDA", {{"device_id", "0"}}}, "CUDA execution provider is not enabled in this build."},
      {{"TensorRT", {}}, "TensorRT execution provider is not enabled in this build."},
      {{"OpenVINO", {}}, "OpenVINO execution provider is not supported in this build."},
      {{"Abacus", {}}, "Unknown provider name 'Abacus'."},
  };
  for (const auto& [provider, words] : cases) {
    OnnxModelOptions options = one_thread();
    options.providers = {provider};
    for (const Status& status :
         {load_error(model_path("add_sub"), options), runtime_->check_provider(provider)}) {
      EXPECT_EQ(status.code(), Code::kInternal);
      EXPECT_NE(status.message().find(words), std::string::npos) << status.message();
    }
  }
  EXPECT_TRUE(runtime_->check_provider({"XNNPACK", {}}).ok() ||
              runtime_->check_provider({"CPU", {}}).ok());
}

TEST_F(OnnxGlobalPool, ModelsShareItsThreads) {
  EXPECT_TRUE(runtime_->global_thread_pool());
  auto made = instance("relu_dynamic", relu_plan());
  ASSERT_NE(made, nullptr);
  const std::string log = take_log();
  EXPECT_NE(log.find(" use_per_session_threads:0 "), std::string::npos) << log;
  expect_relu_runs(*made, "global pool");
}

}  // namespace
}  // namespace penstock
