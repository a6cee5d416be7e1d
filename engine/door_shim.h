// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The Result of HttpDoor::start for Cython, as a Status and an out parameter. No Python here.
#pragma once

#include <memory>
#include <utility>

#include "penstock/door.h"

namespace penstock::binding {

inline Status start_http_door(const std::shared_ptr<Engine>& engine, const HttpDoorOptions& options,
                              std::unique_ptr<HttpDoor>& out) {
  auto door = HttpDoor::start(engine, options);
  if (!door.ok()) return door.take_status();
  out = std::move(door.value());
  return {};
}

}  // namespace penstock::binding
