// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/h2_output.h"

#include <algorithm>

namespace penstock::door {

void H2Output::copy(const void* data, std::size_t size) {
  if (size == 0) return;
  const auto* from = static_cast<const std::byte*>(data);
  const std::size_t offset = bytes_.size();
  bytes_.insert(bytes_.end(), from, from + size);
  pending_ += size;
  if (!pieces_.empty() && pieces_.size() > first_ && pieces_.back().borrowed == nullptr) {
    pieces_.back().size += size;  // pieces of bytes_ follow each other
  } else {
    pieces_.push_back({nullptr, offset, size});
  }
}

void H2Output::borrow(ByteSpan bytes, const BufferLease& lease) {
  if (bytes.size() <= kCopyBytes) return copy(bytes.data(), bytes.size());
  pieces_.push_back({bytes.data(), 0, bytes.size()});
  pending_ += bytes.size();
  if (lease) leases_.push_back(lease);
}

int H2Output::gather(std::span<iovec> to) {
  std::size_t count = 0;
  for (std::size_t i = first_; i < pieces_.size() && count < to.size(); ++i, ++count) {
    const Piece& piece = pieces_[i];
    const std::byte* data = piece.borrowed != nullptr ? piece.borrowed : &bytes_[piece.offset];
    to[count] = {const_cast<std::byte*>(data), piece.size};
  }
  return static_cast<int>(count);
}

void H2Output::advance(std::size_t size) {
  pending_ -= size;
  if (pending_ == 0) return clear();
  while (size > 0) {
    Piece& piece = pieces_[first_];
    const std::size_t sent = std::min(size, piece.size);
    (piece.borrowed != nullptr ? piece.borrowed += sent, 0 : piece.offset += sent);
    piece.size -= sent;
    size -= sent;
    if (piece.size == 0) ++first_;
  }
}

void H2Output::clear() {
  if (bytes_.capacity() > kKeptBytes) std::vector<std::byte>().swap(bytes_);
  bytes_.clear();
  pieces_.clear();
  leases_.clear();
  first_ = 0;
  pending_ = 0;
}

void H2SendQueue::push(ByteSpan bytes, const BufferLease& lease) {
  if (bytes.empty()) return;
  pieces_.push({bytes, lease});
  size_bytes_ += bytes.size();
}

void H2SendQueue::move_to(H2Output& output, std::size_t size) {
  size_bytes_ -= size;
  while (size > 0) {
    Piece& piece = pieces_.front();
    const std::size_t moved = std::min(size, piece.bytes.size());
    output.borrow(piece.bytes.first(moved), piece.lease);
    piece.bytes = piece.bytes.subspan(moved);
    size -= moved;
    if (piece.bytes.empty()) pieces_.pop();
  }
}

void H2SendQueue::clear() {
  pieces_.clear();
  size_bytes_ = 0;
}

}  // namespace penstock::door
