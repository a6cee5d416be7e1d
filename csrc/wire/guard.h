// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The edge of the codecs: libraries below may throw, nothing above ever sees it. Thread safe;
// nothing blocks.
#pragma once

#include <new>
#include <protozero/exception.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "penstock/status.h"

namespace penstock::wire {

// `message`: what is being read or written, for the error's text.
template <typename Body>
[[nodiscard]] Status guarded(std::string_view message, Body&& body) noexcept {
  try {
    return body();
  } catch (const protozero::exception& error) {
    return invalid_arg("malformed " + std::string(message) + ": " + error.what());
  } catch (const std::bad_alloc&) {
    return unavailable("not enough memory for a " + std::string(message));
  } catch (const std::length_error&) {
    return unavailable("not enough memory for a " + std::string(message));
  }
}

}  // namespace penstock::wire
