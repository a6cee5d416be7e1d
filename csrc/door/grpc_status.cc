// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_status.h"

namespace penstock::door {

GrpcStatus grpc_status(Code code) {
  switch (code) {  // no default: -Wswitch keeps the table total
    case Code::kUnknown:
      return GrpcStatus::kUnknown;
    case Code::kInternal:
      return GrpcStatus::kInternal;
    case Code::kNotFound:
      return GrpcStatus::kNotFound;
    case Code::kInvalidArg:
      return GrpcStatus::kInvalidArgument;
    case Code::kUnavailable:
      return GrpcStatus::kUnavailable;
    case Code::kUnsupported:
      return GrpcStatus::kUnimplemented;
    case Code::kAlreadyExists:
      return GrpcStatus::kAlreadyExists;
    case Code::kCancelled:
      return GrpcStatus::kCancelled;
    case Code::kDeadlineExceeded:
      return GrpcStatus::kDeadlineExceeded;
  }
  return GrpcStatus::kUnknown;
}

std::string_view grpc_status_text(GrpcStatus status) {
  constexpr std::string_view kNumbers[] = {"0", "1", "2",  "3",  "4",  "5",  "6", "7",
                                           "8", "9", "10", "11", "12", "13", "14"};
  return kNumbers[static_cast<std::size_t>(status)];
}

void append_grpc_message(std::string& out, std::string_view message) {
  constexpr std::size_t kMostBytes = 6144;  // clients take 8 KiB of header fields by default
  constexpr char kHex[] = "0123456789ABCDEF";
  const std::size_t start = out.size();
  for (const char c : message) {
    if (out.size() - start >= kMostBytes) return;
    if (c >= 0x20 && c <= 0x7e && c != '%') {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
}

}  // namespace penstock::door
