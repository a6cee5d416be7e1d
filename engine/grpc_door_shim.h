// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say of the gRPC door: a Result without a default value. No Python here.
#pragma once

#include <memory>
#include <utility>

#include "penstock/grpc_door.h"

namespace penstock::binding {

inline Status start_grpc_door(const std::shared_ptr<Engine>& engine, const GrpcDoorOptions& options,
                              std::unique_ptr<GrpcDoor>& out) {
  auto door = GrpcDoor::start(engine, options);
  if (!door.ok()) return door.take_status();
  out = std::move(door.value());
  return {};
}

// 0 none, 1 deflate, 2 gzip
inline void set_compression(GrpcDoorOptions& options, int compression) {
  options.compression = static_cast<GrpcCompression>(compression);
}

}  // namespace penstock::binding
