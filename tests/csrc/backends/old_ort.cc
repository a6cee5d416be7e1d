// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A library that says it is an ONNX Runtime from before the version that is needed.
#include <cstdint>

namespace {

struct ApiBase {
  const void* (*get_api)(std::uint32_t version);
  const char* (*get_version_string)();
};

const void* no_api(std::uint32_t) { return nullptr; }
const char* version() { return "1.16.3"; }

constexpr ApiBase kBase{no_api, version};

}  // namespace

extern "C" __attribute__((visibility("default"))) const ApiBase* OrtGetApiBase() { return &kBase; }
