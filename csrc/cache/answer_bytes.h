// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Answers as bytes, for a store that other servers, and other versions of this one, share.
//
// Little-endian; a mark of the form, a check sum, which outputs the request had asked for, then
// each output's name, type, shape and data. Reading trusts nothing: bytes that are cut, changed, or
// of another model are no answer. Pure functions; thread safe; nothing blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/cached_answer.h"
#include "penstock/plan.h"

namespace penstock {

// How many bytes it will be.
[[nodiscard]] std::size_t answer_size(const Request& request);
// Of a successful response that lies in host memory.
[[nodiscard]] std::string write_answer(const Request& request);
// Sets the check sum of bytes that were changed.
void seal_answer(std::string& bytes);
// Nothing when the bytes are not an answer of this model, or there is no memory for it.
[[nodiscard]] std::optional<CachedAnswer> read_answer(std::string_view bytes,
                                                      const ModelPlan& plan);

}  // namespace penstock
