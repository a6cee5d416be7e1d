// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Execution providers (contract 5.2). None is ever left out silently: what a library has not, its
// own error says.
#include "backends/onnx_session.h"

namespace penstock {
namespace {

// The options as the C interface takes them; views of the provider's strings.
struct KeysAndValues {
  explicit KeysAndValues(const OnnxProvider& provider) {
    for (const auto& [key, value] : provider.options) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
  }
  std::vector<const char*> keys;
  std::vector<const char*> values;
};

// The functions of a provider that has options of its own.
template <typename Options>
struct ProviderFunctions {
  ort::Error* (*create)(Options**);
  ort::Error* (*update)(Options*, const char* const*, const char* const*, std::size_t);
  ort::Error* (*append)(ort::SessionOptions*, const Options*);
  void (*release)(Options*);
};

template <typename Options>
Status append_with(const ort::Api& api, const ProviderFunctions<Options>& functions,
                   const KeysAndValues& settings, ort::SessionOptions* session_options) {
  Options* raw = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api.check(functions.create(&raw)));
  const ort::Owned<Options> owned(raw, functions.release);
  PENSTOCK_RETURN_IF_ERROR(api.check(
      functions.update(raw, settings.keys.data(), settings.values.data(), settings.keys.size())));
  return api.check(functions.append(session_options, raw));
}

}  // namespace

Status append_provider(const ort::Api& api, const OnnxProvider& provider,
                       ort::SessionOptions* session_options) {
  const KeysAndValues settings(provider);
  if (provider.name == "CUDA") {
    const ProviderFunctions<ort::CudaOptions> cuda{api.create_cuda_options, api.update_cuda_options,
                                                   api.append_cuda, api.release_cuda_options};
    return append_with(api, cuda, settings, session_options);
  }
  if (provider.name == "TensorRT") {
    const ProviderFunctions<ort::TensorRtOptions> tensorrt{
        api.create_tensorrt_options, api.update_tensorrt_options, api.append_tensorrt,
        api.release_tensorrt_options};
    return append_with(api, tensorrt, settings, session_options);
  }
  return api.check(api.append_provider(session_options, provider.name.c_str(), settings.keys.data(),
                                       settings.values.data(), settings.keys.size()));
}

Status OnnxRuntime::check_provider(const OnnxProvider& provider) const {
  ort::SessionOptions* raw = nullptr;
  PENSTOCK_RETURN_IF_ERROR(api().check(api().create_session_options(&raw)));
  const ort::Owned<ort::SessionOptions> owned(raw, api().release_session_options);
  return append_provider(api(), provider, raw);
}

}  // namespace penstock
