// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/onnx_instance.h"
#include "backends/onnx_match.h"
#include "backends/onnx_session.h"

namespace penstock {

Result<std::shared_ptr<OnnxModel>> OnnxModel::load(std::shared_ptr<OnnxRuntime> runtime,
                                                   const std::string& path,
                                                   const OnnxModelOptions& options) {
  auto session = OnnxSession::create(std::move(runtime), path, options);
  if (!session.ok()) return session.take_status();
  std::shared_ptr<OnnxModel> model(new OnnxModel);
  model->session_ = std::move(session.value());
  if (Status s = describe_inputs(*model->session_, model->inputs_); !s.ok()) return s;
  if (Status s = describe_outputs(*model->session_, model->outputs_); !s.ok()) return s;
  return model;
}

Result<std::unique_ptr<NativeInstance>> OnnxModel::create_instance(const ModelPlan& plan) {
  OnnxBindings bindings;
  if (Status s = match_plan(plan, *this, bindings); !s.ok()) return s;
  return OnnxInstance::create(session_, plan, bindings);
}

}  // namespace penstock
