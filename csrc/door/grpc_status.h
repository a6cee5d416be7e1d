// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// gRPC statuses, and which one each core code becomes (contract 1.0): a total table.
//
// Pure functions; thread safe; nothing blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "penstock/status.h"

namespace penstock::door {

// The numbers are gRPC's.
enum class GrpcStatus : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

[[nodiscard]] GrpcStatus grpc_status(Code code);
// The decimal number, as the field grpc-status carries it.
[[nodiscard]] std::string_view grpc_status_text(GrpcStatus status);
// A message as the field grpc-message carries it: what is not printable ASCII, and '%', as %XX.
// Cut where clients would refuse the header block for its size.
void append_grpc_message(std::string& out, std::string_view message);

}  // namespace penstock::door
