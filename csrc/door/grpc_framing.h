// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// gRPC messages in a stream of bytes: one byte of flags, four of length, the message.
//
// MessageReader takes bytes as they come, cut anywhere, and collects each message in a pooled
// buffer of its size, which it takes from the budget before the message is there. Thread safety:
// none, a call's. Ownership: a message holds its bytes and its share of the budget. Nothing blocks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "door/bounds.h"
#include "penstock/buffer.h"
#include "penstock/codec.h"

namespace penstock::door {

inline constexpr std::size_t kGrpcPrefixBytes = 5;
// What a message costs beside its bytes: the smallest block of the pool.
inline constexpr std::uint64_t kMessageOverheadBytes = 1024;

// A part of a ByteBudget, given back when it goes.
class BudgetShare {
 public:
  BudgetShare() = default;
  BudgetShare(BudgetShare&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
  BudgetShare& operator=(BudgetShare&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~BudgetShare() { reset(); }
  [[nodiscard]] bool take(ByteBudget& budget, std::uint64_t bytes) {
    reset();
    if (!budget.try_take(bytes)) return false;
    budget_ = &budget;
    bytes_ = bytes;
    return true;
  }
  void reset() {
    if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(bytes_);
  }

 private:
  ByteBudget* budget_ = nullptr;
  std::uint64_t bytes_ = 0;
};

struct GrpcMessage {
  BufferLease lease;
  ByteSpan bytes;
  BudgetShare share;
  bool compressed = false;
};

// The prefix of a message of `size_bytes`.
[[nodiscard]] std::array<std::byte, kGrpcPrefixBytes> grpc_prefix(bool compressed,
                                                                  std::size_t size_bytes);

class MessageReader {
 public:
  enum class Event : std::uint8_t {
    kMore,      // all bytes are taken
    kMessage,   // `message` is filled; there may be bytes left
    kBadFlags,  // the first byte is neither 0 nor 1
    kTooLarge,
    kNoBudget,  // too many bytes in flight
  };
  // Takes bytes from the front of `bytes`. After an error only reset() may follow.
  [[nodiscard]] Event read(ByteSpan& bytes, GrpcMessage& message, BufferPool& pool,
                           ByteBudget& budget, std::uint64_t max_bytes);
  // Has a message begun that is not complete?
  [[nodiscard]] bool inside() const { return prefix_size_ > 0; }
  // Where the rest of the message goes: bytes that read() finds there are not copied. Empty: no
  // message has begun.
  [[nodiscard]] std::span<std::byte> room() const {
    return lease_ ? std::span(lease_->data + received_, size_ - received_) : std::span<std::byte>();
  }
  [[nodiscard]] const BufferLease& lease() const { return lease_; }
  void reset();

 private:
  [[nodiscard]] Event begin(BufferPool& pool, ByteBudget& budget, std::uint64_t max_bytes);

  std::array<std::byte, kGrpcPrefixBytes> prefix_{};
  std::size_t prefix_size_ = 0;
  std::size_t size_ = 0;      // of the message
  std::size_t received_ = 0;  // of its bytes
  BufferLease lease_;
  BudgetShare share_;
};

}  // namespace penstock::door
