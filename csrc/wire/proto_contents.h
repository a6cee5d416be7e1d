// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// InferTensorContents (contract 1.16, G-21): typed values of an input as tensor bytes. Pure
// functions over an InferInputTensor message; thread safe; the caller owns the bytes. They throw
// protozero::exception on malformed bytes; nothing blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::wire {

inline constexpr std::uint32_t kContentsFields = 8;  // bool_contents 1 ... bytes_contents 8

// How many values each field holds; `contents` given in pieces are added up.
struct ContentsTally {
  std::array<std::uint64_t, kContentsFields + 1> values{};  // by field number
  std::uint64_t string_bytes = 0;                           // of bytes_contents, lengths included
};

// The field that carries values of `type`; 0 when none does (FP16, BF16).
[[nodiscard]] std::uint32_t contents_field(DataType type);
// The type that an error names for a field.
[[nodiscard]] std::string_view contents_field_type(std::uint32_t field);

[[nodiscard]] ContentsTally tally_contents(std::string_view input_message);

// Writes the values of contents_field(type) at `out`, element_size() bytes each. False when one
// does not fit the type; its text is in `misfit`.
[[nodiscard]] bool write_contents(std::string_view input_message, DataType type, std::byte* out,
                                  std::string& misfit);

}  // namespace penstock::wire
