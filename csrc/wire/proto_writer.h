// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelInferResponse (contract 1.16) as protobuf text pieces between which raw outputs stand.
//
// Pure functions appending to a string of the caller's; thread safe; nothing blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "penstock/request.h"

namespace penstock::wire {

// Everything before the raw outputs but the list of outputs.
void append_response_head(std::string& out, const Response& response);
// One InferOutputTensor.
void append_output_head(std::string& out, std::string_view name, const TensorView& view);
// What stands before the bytes of one raw_output_contents.
void append_raw_head(std::string& out, std::uint64_t size_bytes);

}  // namespace penstock::wire
