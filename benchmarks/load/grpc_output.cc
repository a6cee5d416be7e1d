// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/grpc_output.h"

namespace penstock::load {

void GrpcOutput::clear() {
  copied_.clear();
  segments_.clear();
  first_ = 0;
}

void GrpcOutput::append(std::string_view bytes) {
  if (!empty() && segments_.back().data == nullptr) {
    segments_.back().size += bytes.size();  // copied_ grows at its end, which is this one's
  } else {
    segments_.push_back({nullptr, copied_.size(), bytes.size()});
  }
  copied_.append(bytes);
}

void GrpcOutput::append_reference(std::string_view bytes) {
  if (!bytes.empty()) segments_.push_back({bytes.data(), 0, bytes.size()});
}

std::size_t GrpcOutput::gather(iovec* spans, std::size_t most) const {
  std::size_t count = 0;
  for (std::size_t i = first_; i < segments_.size() && count < most; ++i, ++count) {
    const Segment& segment = segments_[i];
    const char* base = segment.data == nullptr ? copied_.data() : segment.data;
    spans[count] = {const_cast<char*>(base + segment.offset), segment.size};
  }
  return count;
}

void GrpcOutput::sent(std::size_t bytes) {
  while (bytes > 0) {
    Segment& segment = segments_[first_];
    if (bytes < segment.size) {
      segment.offset += bytes;
      segment.size -= bytes;
      return;
    }
    bytes -= segment.size;
    ++first_;
  }
  if (empty()) clear();
}

}  // namespace penstock::load
