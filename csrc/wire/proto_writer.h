// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelInferResponse (contract 1.16) as protobuf text pieces between which raw outputs stand, and
// what a ModelInferRequest has alike.
//
// Pure functions appending to a string of the caller's; thread safe; nothing blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "penstock/request.h"

namespace penstock::wire {

// Of either message: whom it is for or from. No version when it is negative, no id when it is
// empty.
void append_names(std::string& out, std::string_view model, std::int64_t version,
                  std::string_view id);
// Of either message: one parameter.
void append_parameter(std::string& out, const Parameter& parameter);
// Of a response: everything before the raw outputs but the list of outputs.
void append_response_head(std::string& out, const Response& response);
// Of either message: one input or output.
void append_tensor_head(std::string& out, std::string_view name, const TensorView& view);

enum class RawField : std::uint32_t { kOutputs = 6, kInputs = 7 };
// What stands before the bytes of one tensor.
void append_raw_head(std::string& out, RawField field, std::uint64_t size_bytes);

}  // namespace penstock::wire
