// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What both codecs do alike while they fill a request, with the contract's texts. Thread safety: as
// the request. Ownership: leases go into the request. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "penstock/buffer.h"
#include "penstock/request.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::wire {

inline constexpr std::size_t kMaxCorrelationId = 128;  // characters (1.8)

[[nodiscard]] Status too_many(std::string_view what, std::uint64_t count, std::uint64_t max);
[[nodiscard]] Status rank_too_high(std::string_view input, std::uint64_t rank);
[[nodiscard]] Status invalid_data_type(std::string_view input);
// H-49: negative dimensions, too many elements, too many bytes.
[[nodiscard]] Status check_shape(std::string_view input, DataType type, const Shape& shape);
[[nodiscard]] Status missing_bytes(const Request& request, std::string_view input,
                                   std::uint64_t missing);
[[nodiscard]] Status surplus_bytes(const Request& request);

// Append with "already exists in request" (C-7, H-44).
[[nodiscard]] Status add_input(Request& request, std::string_view name, InputTensor*& input);
[[nodiscard]] Status add_output(Request& request, std::string_view name, RequestedOutput*& output);

// Makes `input` a view of bytes that `owner` keeps alive.
void borrow(InputTensor& input, const std::byte* data, std::size_t size_bytes,
            const BufferLease& owner);
// Gives `input` pool memory; nullptr in `data` never comes with an OK status.
[[nodiscard]] Status acquire(BufferPool& pool, std::string_view name, std::size_t size_bytes,
                             InputTensor& input, std::byte*& data);

// Keys are compared with each other: a bound keeps 1024 of them cheap.
[[nodiscard]] Status check_key_length(std::string_view key);
[[nodiscard]] bool is_reserved_key(std::string_view key);  // begins "triton_"
[[nodiscard]] Status set_correlation_id(Request& request, std::string_view id);
void set_flag(Request& request, RequestFlag flag, bool on);
// The parameter of that name, which a forwarded header may have set before; or a new one.
[[nodiscard]] Parameter& parameter(Request& request, std::string_view name);
// Whether the body itself, whose parameters come behind `forwarded` others, has set it.
[[nodiscard]] bool has_parameter(const Request& request, std::size_t forwarded,
                                 std::string_view name);
// Keeps the capacity of a string that is there.
void assign(Parameter& parameter, std::string_view text);

}  // namespace penstock::wire
