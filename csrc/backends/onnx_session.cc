// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "backends/onnx_session.h"

#include <array>

namespace penstock {
namespace {

const char* onnx_type_name(int type) {
  constexpr std::array<const char*, 7> kNames{"unknown", "tensor",        "sequence", "map",
                                              "opaque",  "sparse tensor", "optional"};
  const auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

Status describe_shape(const ort::Api& api, const ort::TensorInfo* tensor, OnnxTensorInfo& info) {
  std::size_t rank = 0;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_dimensions_count(tensor, &rank)));
  if (rank > Shape::kMaxRank) {
    return unsupported("tensor '" + info.name + "' has " + std::to_string(rank) +
                       " dimensions, at most " + std::to_string(Shape::kMaxRank) +
                       " are supported");
  }
  // Without has_shape a scalar and a tensor of unknown rank look the same.
  info.rank_known = api.has_shape != nullptr ? api.has_shape(tensor) : rank > 0;
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_dimensions(tensor, dims.data(), rank)));
  for (std::size_t i = 0; i < rank; ++i) info.dims.push_back(dims[i] < 0 ? -1 : dims[i]);
  return {};
}

Status describe_type(const ort::Api& api, const ort::TypeInfo* type, OnnxTensorInfo& info) {
  int onnx_type = ort::kUnknownType;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_onnx_type_from_type_info(type, &onnx_type)));
  info.onnx_type = onnx_type_name(onnx_type);
  if (onnx_type != ort::kTensor) return {};
  const ort::TensorInfo* tensor = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.cast_type_info_to_tensor_info(type, &tensor)));
  int element = 0;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_tensor_element_type(tensor, &element)));
  info.type = ort::data_type(element);
  info.onnx_type = ort::element_type_name(element);
  return describe_shape(api, tensor, info);
}

// What tells inputs from outputs.
struct Side {
  decltype(ort::Api::session_get_input_count) count;
  decltype(ort::Api::session_get_input_name) name;
  decltype(ort::Api::session_get_input_type_info) type;
};

Status describe(const OnnxSession& session, const Side& side, std::vector<OnnxTensorInfo>& infos) {
  const ort::Api& api = session.api();
  std::size_t count = 0;
  PENSTOCK_RETURN_IF_ERROR(api.check(side.count(session.get(), &count)));
  ort::Allocator* allocator = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api.check(api.get_default_allocator(&allocator)));
  for (std::size_t i = 0; i < count; ++i) {
    OnnxTensorInfo& info = infos.emplace_back();
    char* name = nullptr;
    PENSTOCK_RETURN_IF_ERROR(api.check(side.name(session.get(), i, allocator, &name)));
    info.name = name;
    PENSTOCK_RETURN_IF_ERROR(api.check(api.allocator_free(allocator, name)));
    ort::TypeInfo* type = nullptr;
    PENSTOCK_RETURN_IF_ERROR(api.check(side.type(session.get(), i, &type)));
    const ort::Owned<ort::TypeInfo> owned(type, api.release_type_info);
    PENSTOCK_RETURN_IF_ERROR(describe_type(api, type, info));
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const OnnxSession>> OnnxSession::create(std::shared_ptr<OnnxRuntime> runtime,
                                                               const std::string& path,
                                                               const OnnxModelOptions& options) {
  const ort::Api& api = runtime->api();
  ort::SessionOptions* raw = nullptr;
  if (Status s = api.check(api.create_session_options(&raw)); !s.ok()) return s;
  const ort::Owned<ort::SessionOptions> owned(raw, api.release_session_options);
  if (Status s = apply_options(api, options, runtime->global_thread_pool(), raw); !s.ok()) return s;
  ort::Session* session = nullptr;
  if (Status s = api.check(api.create_session(runtime->env(), path.c_str(), raw, &session));
      !s.ok()) {
    return s;
  }
  return std::shared_ptr<const OnnxSession>(new OnnxSession(std::move(runtime), session, options));
}

Status describe_inputs(const OnnxSession& session, std::vector<OnnxTensorInfo>& inputs) {
  const ort::Api& api = session.api();
  const Side side{api.session_get_input_count, api.session_get_input_name,
                  api.session_get_input_type_info};
  return describe(session, side, inputs);
}

Status describe_outputs(const OnnxSession& session, std::vector<OnnxTensorInfo>& outputs) {
  const ort::Api& api = session.api();
  const Side side{api.session_get_output_count, api.session_get_output_name,
                  api.session_get_output_type_info};
  return describe(session, side, outputs);
}

}  // namespace penstock
