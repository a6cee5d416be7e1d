// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say about the native back ends: Results. See shim.h.
#pragma once

#include <memory>
#include <string>

#include "penstock/native_backends.h"
#include "shim.h"

namespace penstock::binding {

inline Status open_onnx_runtime(const OnnxRuntimeOptions& options,
                                std::shared_ptr<OnnxRuntime>& out) {
  return take(OnnxRuntime::open(options), out);
}

inline Status load_onnx_model(const std::shared_ptr<OnnxRuntime>& runtime, const std::string& path,
                              const OnnxModelOptions& options, std::shared_ptr<OnnxModel>& out) {
  return take(OnnxModel::load(runtime, path, options), out);
}

inline Status create_onnx_instance(OnnxModel& model, const ModelPlan& plan,
                                   std::unique_ptr<NativeInstance>& out) {
  return take(model.create_instance(plan), out);
}

inline int type_of_info(const OnnxTensorInfo& info) { return static_cast<int>(info.type); }

}  // namespace penstock::binding
