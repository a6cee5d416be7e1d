// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say of trace records: views of text, enumerations. No Python here.
#pragma once

#include <string>
#include <string_view>

#include "penstock/request.h"
#include "penstock/trace.h"

namespace penstock::binding {

inline std::string text_of(std::string_view text) { return std::string(text); }
inline int number_of(DataType type) { return static_cast<int>(type); }
inline bool of_client(const TraceRecord& record) { return record.frontend != TraceFrontend::kNone; }

inline std::string context_of(const TraceLink& link) { return link.context.data(); }

// False: the request is not traced.
inline bool take_link(const Request& request, TraceLink& link) {
  if (request.trace == nullptr) return false;
  link = request.trace->link();
  return true;
}

}  // namespace penstock::binding
