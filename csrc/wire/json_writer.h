// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Pieces of JSON text, appended to a string of the caller's. Pure functions; thread safe; nothing
// blocks.
#pragma once

#include <string>
#include <string_view>

#include "penstock/request.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::wire {

// Quoted and escaped. Bytes that are not UTF-8 go out as they are.
void append_json_string(std::string& out, std::string_view text);
void append_json_parameter(std::string& out, const Parameter& parameter);
void append_json_shape(std::string& out, const Shape& shape);
// The elements as one flat array, row-major. `name`: of the output, for errors.
[[nodiscard]] Status append_json_data(std::string& out, std::string_view name,
                                      const TensorView& tensor);

}  // namespace penstock::wire
