// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ONNX Runtime for tests: from PENSTOCK_TEST_ORT_LIBRARY, else from the project's virtual
// environment; skips when there is neither.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "batch_fixture.h"
#include "penstock/native_backends.h"

namespace penstock {

inline std::string ort_library() {
  const char* path = std::getenv("PENSTOCK_TEST_ORT_LIBRARY");
  return path != nullptr ? path : PENSTOCK_DEFAULT_ORT_LIBRARY;
}

inline std::string model_path(const std::string& name) {
  return std::string(PENSTOCK_TEST_DATA) + "/" + name + ".onnx";
}

// One thread a session unless a test says otherwise: the machine's threads are not the subject.
inline OnnxModelOptions one_thread() {
  OnnxModelOptions options;
  options.intra_op_thread_count = 1;
  options.inter_op_thread_count = 1;
  return options;
}

class OrtTest : public testing::Test {
 protected:
  void SetUp() override {
    if (ort_library().empty()) {
      GTEST_SKIP() << "no ONNX Runtime: pip install onnxruntime into .venv, or name its "
                      "libonnxruntime.so.1.* in PENSTOCK_TEST_ORT_LIBRARY";
    }
    auto runtime = OnnxRuntime::open(runtime_options());
    ASSERT_TRUE(runtime.ok()) << runtime.status().message();
    runtime_ = runtime.value();
  }

  virtual OnnxRuntimeOptions runtime_options() {
    OnnxRuntimeOptions options;
    options.library = ort_library();
    return options;
  }

  std::shared_ptr<OnnxModel> load(const std::string& name,
                                  const OnnxModelOptions& options = one_thread()) {
    auto model = OnnxModel::load(runtime_, model_path(name), options);
    EXPECT_TRUE(model.ok()) << model.status().message();
    return model.ok() ? model.value() : nullptr;
  }

  std::unique_ptr<NativeInstance> instance(const std::string& name, const ModelPlan& plan,
                                           const OnnxModelOptions& options = one_thread()) {
    auto model = load(name, options);
    if (model == nullptr) return nullptr;
    auto made = model->create_instance(plan);
    EXPECT_TRUE(made.ok()) << made.status().message();
    return made.ok() ? std::move(made.value()) : nullptr;
  }

  std::shared_ptr<OnnxRuntime> runtime_;
};

}  // namespace penstock
