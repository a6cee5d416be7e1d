// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_framing.h"

#include <algorithm>
#include <cstring>

namespace penstock::door {

std::array<std::byte, kGrpcPrefixBytes> grpc_prefix(bool compressed, std::size_t size_bytes) {
  const auto byte = [size_bytes](int shift) { return static_cast<std::byte>(size_bytes >> shift); };
  return {static_cast<std::byte>(compressed), byte(24), byte(16), byte(8), byte(0)};
}

MessageReader::Event MessageReader::read(ByteSpan& bytes, GrpcMessage& message, BufferPool& pool,
                                         ByteBudget& budget, std::uint64_t max_bytes) {
  if (prefix_size_ < kGrpcPrefixBytes) {
    const std::size_t taken = std::min(bytes.size(), kGrpcPrefixBytes - prefix_size_);
    std::copy_n(bytes.begin(), taken, prefix_.begin() + static_cast<std::ptrdiff_t>(prefix_size_));
    prefix_size_ += taken;
    bytes = bytes.subspan(taken);
    if (prefix_size_ < kGrpcPrefixBytes) return Event::kMore;
    if (const Event event = begin(pool, budget, max_bytes); event != Event::kMore) return event;
  }
  const std::size_t taken = std::min(bytes.size(), size_ - received_);
  std::byte* const to = lease_->data + received_;
  if (taken > 0 && bytes.data() != to) std::memcpy(to, bytes.data(), taken);
  received_ += taken;
  bytes = bytes.subspan(taken);
  if (received_ < size_) return Event::kMore;
  message.compressed = prefix_[0] != std::byte{0};
  message.bytes = {lease_->data, size_};
  message.lease = std::move(lease_);
  message.share = std::move(share_);
  reset();
  return Event::kMessage;
}

MessageReader::Event MessageReader::begin(BufferPool& pool, ByteBudget& budget,
                                          std::uint64_t max_bytes) {
  if (prefix_[0] > std::byte{1}) return Event::kBadFlags;
  size_ = 0;
  for (std::size_t i = 1; i < kGrpcPrefixBytes; ++i) {
    size_ = size_ << 8 | std::to_integer<std::size_t>(prefix_[i]);
  }
  if (size_ > max_bytes) return Event::kTooLarge;
  if (!share_.take(budget, size_ + kMessageOverheadBytes)) return Event::kNoBudget;
  lease_ = pool.acquire(size_);
  return lease_ ? Event::kMore : Event::kNoBudget;
}

void MessageReader::reset() {
  prefix_size_ = 0;
  size_ = 0;
  received_ = 0;
  lease_.reset();
  share_.reset();
}

}  // namespace penstock::door
