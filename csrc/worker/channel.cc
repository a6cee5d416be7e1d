// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/channel.h"

#include <bit>
#include <cstring>
#include <utility>

namespace penstock::worker {
namespace {

// Somebody else's block; the last lease tells its owner.
struct Borrowed : Buffer {
  std::shared_ptr<SharedMemory> memory;
  std::atomic<std::uint64_t>* word = nullptr;
  std::uint64_t bit = 0;

  static void give_back(Buffer* buffer) noexcept {
    auto* self = static_cast<Borrowed*>(buffer);
    // release: pairs with the exchange in collect_locked(); all reads of the block came before
    self->word->fetch_or(self->bit, std::memory_order_release);
    delete self;
  }
};

Lane& lane_of(SharedMemory& memory, bool to_server) {
  return to_server ? memory.control().to_server : memory.control().to_worker;
}

}  // namespace

Channel::Channel(std::shared_ptr<SharedMemory> memory, Side side, BufferPool& pool)
    : memory_(std::move(memory)),
      side_(side),
      pool_(pool),
      out_(lane_of(*memory_, side == Side::kWorker)),
      in_(lane_of(*memory_, side == Side::kServer)),
      own_arena_(memory_->arena(side == Side::kWorker)),
      peer_arena_(memory_->arena(side == Side::kServer)),
      consumer_(in_.ring),
      producer_(out_.ring) {}

Channel::~Channel() = default;

BufferLease Channel::acquire(std::size_t size_bytes) {
  collect();
  return pool_.acquire(size_bytes);
}

bool Channel::own(const std::byte* data, std::size_t size_bytes) const {
  const auto at = static_cast<std::size_t>(data - own_arena_);  // wraps when it lies before
  return at <= memory_->arena_bytes() && size_bytes <= memory_->arena_bytes() - at;
}

std::uint64_t Channel::offset_of(const std::byte* data) const {
  return static_cast<std::uint64_t>(data - own_arena_);
}

std::uint32_t Channel::lend(BufferLease block) {
  std::lock_guard lock(mutex_);
  if (free_slots_.empty()) {
    collect_locked();
    if (free_slots_.empty()) {
      if (lent_.size() == kLeaseSlots) return kNoSlot;
      free_slots_.push_back(static_cast<std::uint32_t>(lent_.size()));
      lent_.emplace_back();
    }
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  lent_[slot] = std::move(block);
  return slot;
}

bool Channel::post(MessageKind kind, std::uint64_t id, BufferLease block, std::size_t size_bytes) {
  Descriptor descriptor{.kind = kind, .id = id, .size_bytes = size_bytes};
  if (block) {
    descriptor.offset = offset_of(block->data);
    descriptor.slot = lend(std::move(block));
    if (descriptor.slot == kNoSlot) return false;
  }
  {
    std::lock_guard lock(mutex_);
    if (producer_.push(descriptor)) return true;
  }
  if (descriptor.slot != kNoSlot) take_back(descriptor.slot);
  return false;
}

void Channel::take_back(std::uint32_t slot) {
  std::lock_guard lock(mutex_);
  lent_[slot].reset();
  free_slots_.push_back(slot);
}

void Channel::collect() {
  std::lock_guard lock(mutex_);
  collect_locked();
}

void Channel::collect_locked() {
  for (std::size_t word = 0; word * 64 < lent_.size(); ++word) {
    // relaxed: only whether it is worth the exchange
    if (out_.returned[word].load(std::memory_order_relaxed) == 0) continue;
    // acquire: pairs with the release in give_back()
    auto bits = out_.returned[word].exchange(0, std::memory_order_acquire);
    for (; bits != 0; bits &= bits - 1) {
      const auto slot = static_cast<std::uint32_t>(word * 64) +
                        static_cast<std::uint32_t>(std::countr_zero(bits));
      if (slot >= lent_.size() || !lent_[slot]) continue;  // a lie, or told twice
      lent_[slot].reset();
      free_slots_.push_back(slot);
    }
  }
}

Channel::Taken Channel::take(Message& message) {
  Descriptor descriptor;
  switch (consumer_.take(descriptor)) {
    case RingConsumer::Taken::kNothing:
      return Taken::kNothing;
    case RingConsumer::Taken::kBroken:
      return Taken::kBroken;
    case RingConsumer::Taken::kOne:
      break;
  }
  message.kind = descriptor.kind;
  message.id = descriptor.id;
  message.offset = descriptor.offset;
  message.bytes.clear();
  message.block.reset();
  if (descriptor.size_bytes == 0) return Taken::kOne;
  const std::byte* bytes = peer_bytes(descriptor.offset, descriptor.size_bytes);
  if (bytes == nullptr || descriptor.size_bytes > kMaxMessageBytes) return Taken::kBroken;
  message.block = borrow(descriptor.slot, bytes, descriptor.size_bytes);
  if (!message.block) return Taken::kBroken;
  message.bytes.assign(bytes, bytes + descriptor.size_bytes);
  return Taken::kOne;
}

const std::byte* Channel::peer_bytes(std::uint64_t offset, std::uint64_t size_bytes) const {
  const std::uint64_t room = memory_->arena_bytes();
  if (offset > room || size_bytes > room - offset) return nullptr;
  return peer_arena_ + offset;
}

BufferLease Channel::borrow(std::uint32_t slot, const std::byte* data,
                            std::size_t size_bytes) const {
  if (slot >= kLeaseSlots) return {};
  auto* borrowed = new Borrowed;
  borrowed->data = const_cast<std::byte*>(data);
  borrowed->size_bytes = size_bytes;
  borrowed->release = &Borrowed::give_back;
  borrowed->memory = memory_;
  borrowed->word = &in_.returned[slot / 64];
  borrowed->bit = std::uint64_t{1} << (slot % 64);
  return BufferLease::adopt(borrowed);
}

}  // namespace penstock::worker
