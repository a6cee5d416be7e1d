// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The 'data' array of a JSON input as tensor bytes (contract H-41): nested or flat, row-major.
// Pure functions over a parsed document; one thread at a time; the caller owns the bytes. Nothing
// blocks or allocates, but for error texts. Recursion is bounded by the document's depth limit.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::wire {

struct JsonTensor {
  std::string_view name;  // of the input
  simdjson::dom::array data;
  DataType type = DataType::kInvalid;
  std::uint64_t count = 0;  // elements that the shape asks for
  bool nonfinite = false;   // JsonDocument::has_nonfinite()
};

// FP16 and BF16 cannot be sent as JSON.
[[nodiscard]] Status check_json_type(std::string_view name, DataType type);

// Bytes of a BYTES tensor; checks its elements and their number.
[[nodiscard]] Status measure_strings(const JsonTensor& tensor, std::uint64_t& size_bytes);

// Writes the elements at `out`: count * element_size bytes, or what measure_strings() said.
[[nodiscard]] Status read_elements(const JsonTensor& tensor, std::byte* out);

}  // namespace penstock::wire
