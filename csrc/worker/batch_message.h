// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A batch on its way to a worker: MessageKind::kBatch (docs/workers.md has the fields).
//
// The message describes the rows; behind it in the same block, at the next multiple of 64 bytes,
// lie the bytes of all tensors, input by input and within an input row by row, so that the worker
// finds a gathered input where it is. Shapes are the back end's. Thread safety: one thread's.
// Ownership: the block is a lease; a decoded request keeps a lease on it with every input. Nothing
// blocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "penstock/backend.h"
#include "request/request_pool.h"
#include "worker/channel.h"

namespace penstock::worker {

inline constexpr std::uint64_t kNoTicket = UINT64_MAX;
// The cell of a request, which begins its ticket.
inline std::uint32_t cell_of(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket); }

class BatchEncoder {
 public:
  struct Encoded {
    BufferLease block;
    std::size_t message_bytes = 0;
  };
  // `tickets`: one a row, what the worker calls it by; `skipped`: rows to leave out, or empty.
  // UNAVAILABLE when the memory of the worker is exhausted.
  [[nodiscard]] Result<Encoded> encode(Channel& channel, const Batch& batch,
                                       std::span<const std::uint64_t> tickets,
                                       const std::vector<bool>& skipped);

 private:
  struct Piece {
    TensorView view;
    std::uint64_t offset = 0;  // behind the message
    bool present = false;
  };
  [[nodiscard]] Status place(const Batch& batch);
  void write_row(const Batch& batch, std::size_t row, std::uint64_t ticket,
                 class MessageWriter& to);
  void copy_to(std::byte* to) const;

  std::vector<Piece> pieces_;  // [spec * rows + row]
  std::uint64_t data_bytes_ = 0;
  std::vector<std::byte> scratch_;
};

// A row as the worker has it.
struct WorkerRow {
  Request* request = nullptr;
  std::uint64_t ticket = kNoTicket;
  std::uint32_t number = 0;  // among the server's
  bool padding = false;
};

// Makes requests of the rows. INVALID_ARG when the message is none; the rows so far are the
// caller's to give back.
[[nodiscard]] Status decode_batch(const Channel& channel, const Message& message,
                                  const ModelPlan& plan, RequestPool& pool,
                                  std::vector<WorkerRow>& rows);

}  // namespace penstock::worker
