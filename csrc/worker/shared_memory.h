// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SharedMemory: the mapping that a server and one worker process share. Anonymous (a memfd, handed
// over as a descriptor): no other process finds it and nothing is left of it, however both end. It
// has its full size from the start and is sealed against any other, so that no access can fault;
// pages are there only where an arena has asked for them.
//
// Thread safety: const after it was made; commit() and discard(), any thread. Ownership: shared by
// everything that points into it. Nothing blocks.
#pragma once

#include <cstddef>
#include <memory>

#include "penstock/status.h"
#include "worker/shared_layout.h"

namespace penstock::worker {

class SharedMemory {
 public:
  // By the server: arenas of `arena_bytes` each, rounded up to pages. UNAVAILABLE with the cause.
  [[nodiscard]] static Result<std::shared_ptr<SharedMemory>> create(std::size_t arena_bytes);
  // By the worker, which trusts its server; takes the descriptor over.
  [[nodiscard]] static Result<std::shared_ptr<SharedMemory>> attach(int fd);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] ControlArea& control() const { return *reinterpret_cast<ControlArea*>(base_); }
  [[nodiscard]] std::size_t arena_bytes() const { return arena_bytes_; }
  // Of the lane to the worker, or of that to the server.
  [[nodiscard]] std::byte* arena(bool to_server) const {
    return base_ + kArenasAt + (to_server ? arena_bytes_ : 0);
  }
  // Sees to it that these pages are there: false when the system has none to give.
  [[nodiscard]] bool commit(const std::byte* from, std::size_t size_bytes) const;
  // Gives these pages back to the system; they read as zeros.
  void discard(const std::byte* from, std::size_t size_bytes) const noexcept;

 private:
  SharedMemory(int fd, std::byte* base, std::size_t arena_bytes)
      : fd_(fd), base_(base), arena_bytes_(arena_bytes) {}
  [[nodiscard]] static Result<std::shared_ptr<SharedMemory>> map(int fd, std::size_t arena_bytes);

  const int fd_;
  std::byte* const base_;
  const std::size_t arena_bytes_;
};

}  // namespace penstock::worker
