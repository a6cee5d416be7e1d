// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// H2SendQueue and H2Output: bytes on their way out, of one stream and of one connection.
//
// A stream's queue holds what it has to say; frames of it are moved to the connection's output as
// flow control lets them, and leave in one gather-write. Small pieces are copied next to their
// frame headers, large ones are borrowed: their lease is kept until the bytes are in the kernel.
// Thread safety: none, both belong to their connection. Nothing blocks.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "door/fifo.h"
#include "penstock/buffer.h"
#include "penstock/codec.h"

namespace penstock::door {

class H2Output {
 public:
  // Up to this size a copy is cheaper than a further element of the gather-write.
  static constexpr std::size_t kCopyBytes = 2048;

  void copy(const void* data, std::size_t size);
  // `lease` keeps the bytes; an empty one says that they are constant.
  void borrow(ByteSpan bytes, const BufferLease& lease);

  [[nodiscard]] std::size_t pending() const { return pending_; }
  [[nodiscard]] bool empty() const { return pending_ == 0; }
  // The front of what is pending; returns how many elements were filled.
  [[nodiscard]] int gather(std::span<iovec> to);
  // The first `size` bytes are sent. When that was all, leases are dropped.
  void advance(std::size_t size);
  void clear();

 private:
  struct Piece {
    const std::byte* borrowed;  // null: in bytes_, at `offset`
    std::size_t offset;
    std::size_t size;
  };
  static constexpr std::size_t kKeptBytes = 8192;  // of an idle connection

  std::vector<std::byte> bytes_;
  std::vector<Piece> pieces_;
  std::vector<BufferLease> leases_;
  std::size_t first_ = 0;  // the first piece that is not yet sent
  std::size_t pending_ = 0;
};

class H2SendQueue {
 public:
  void push(ByteSpan bytes, const BufferLease& lease);
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  // Moves the first `size` bytes, which must be there.
  void move_to(H2Output& output, std::size_t size);
  void clear();

 private:
  struct Piece {
    ByteSpan bytes;
    BufferLease lease;
  };
  Fifo<Piece> pieces_;
  std::size_t size_bytes_ = 0;
};

}  // namespace penstock::door
