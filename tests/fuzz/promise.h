// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What a fuzz target promises beside not crashing: a broken promise ends the program as a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string_view>

#include "penstock/status.h"

namespace penstock::fuzz {

inline void require(bool holds, std::string_view promise,
                    std::source_location at = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: broken promise: %.*s\n", at.file_name(),
               static_cast<unsigned>(at.line()), static_cast<int>(promise.size()), promise.data());
  std::abort();
}

// Bytes of a client are the client's mistake: no INTERNAL but the two that the contract has,
// and, as memory is plenty here, nothing that asks to try again.
inline void require_client_error(const Status& status,
                                 std::source_location at = std::source_location::current()) {
  switch (status.code()) {
    case Code::kInvalidArg:
    case Code::kNotFound:
    case Code::kUnsupported:
      break;
    case Code::kInternal:
      require(status.message().find("hape does not match true shape") != std::string::npos,
              status.message(), at);
      break;
    default:
      require(false, status.message(), at);
  }
  require(!status.message().empty(), "an error says what is wrong", at);
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace penstock::fuzz
