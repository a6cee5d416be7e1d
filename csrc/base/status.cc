// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/status.h"

namespace penstock {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kUnknown:
      return "Unknown";
    case Code::kInternal:
      return "Internal";
    case Code::kNotFound:
      return "Not found";
    case Code::kInvalidArg:
      return "Invalid argument";
    case Code::kUnavailable:
      return "Unavailable";
    case Code::kUnsupported:
      return "Unsupported";
    case Code::kAlreadyExists:
      return "Already exists";
    case Code::kCancelled:
      return "Cancelled";
    case Code::kDeadlineExceeded:
      return "Deadline exceeded";
  }
  return "<invalid code>";
}

const std::string& Status::message() const {
  static const std::string empty;
  return rep_ ? rep_->message : empty;
}

Status Status::with_prefix(std::string_view prefix) && {
  if (rep_) rep_->message.insert(0, prefix);
  return std::move(*this);
}

Status Status::with_retry_after(std::int64_t ns) && {
  if (rep_) rep_->retry_after_ns = ns;
  return std::move(*this);
}

}  // namespace penstock
