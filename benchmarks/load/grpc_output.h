// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcOutput: frames that are to be sent, in order: small ones copied, large data referred to.
//
// Thread safety: none. Ownership: what is referred to must outlive its sending. Nothing blocks.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::load {

class GrpcOutput {
 public:
  void clear();
  void append(std::string_view bytes);
  void append_reference(std::string_view bytes);
  std::size_t gather(iovec* spans, std::size_t most) const;
  void sent(std::size_t bytes);
  [[nodiscard]] bool empty() const { return first_ == segments_.size(); }
  [[nodiscard]] std::size_t copied_bytes() const { return copied_.size(); }

 private:
  struct Segment {
    const char* data;  // none: it is in copied_, which may move, at `offset`
    std::size_t offset;
    std::size_t size;
  };

  std::string copied_;
  std::vector<Segment> segments_;
  std::size_t first_ = 0;  // the first that is not all sent
};

}  // namespace penstock::load
