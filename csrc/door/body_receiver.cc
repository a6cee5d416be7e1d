// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/body_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace penstock::door {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kFirstBuffer = 64 << 10;  // of a body whose length is not known

constexpr HttpError kBusy{503, "too many bytes in flight, try again later"};
constexpr HttpError kNoMemory{503, "no memory for the request body, try again later"};
constexpr HttpError kTooLarge{413, {}};  // the text has the numbers, see the connection

}  // namespace

HttpError BodyReceiver::begin(const RequestHead& head, const BufferLease& receive_buffer,
                              std::size_t body_at, std::optional<std::uint64_t> json_bytes) {
  reset();
  chunked_ = head.chunked;
  length_ = head.content_length.value_or(0);
  if (chunked_) {
    place_ = Place::kOwnBuffer;
    return {};
  }
  if (length_ > max_bytes_) return kTooLarge;
  if (length_ <= receive_buffer->size_bytes - body_at) {
    place_ = Place::kReceiveBuffer;
    owner_ = receive_buffer;
    data_ = receive_buffer->data + body_at;
    return {};
  }
  if (!reserve(length_)) return kBusy;
  owner_ = pool_.acquire(length_ + kAlignment);
  if (!owner_) return kNoMemory;
  place_ = Place::kOwnBuffer;
  const std::uint64_t past = json_bytes.value_or(0) % kAlignment;
  data_ = owner_->data + (past == 0 ? 0 : kAlignment - past);
  return {};
}

void BodyReceiver::begin_dropping(const RequestHead& head) {
  reset();
  chunked_ = head.chunked;
  length_ = head.content_length.value_or(0);
}

HttpError BodyReceiver::take(std::string_view& received) {
  if (chunked_) return take_chunked(received);
  const auto taken =
      static_cast<std::size_t>(std::min<std::uint64_t>(received.size(), length_ - size_));
  if (place_ == Place::kOwnBuffer) std::memcpy(data_ + size_, received.data(), taken);
  size_ += taken;
  received.remove_prefix(taken);
  return {};
}

HttpError BodyReceiver::take_chunked(std::string_view& received) {
  std::string_view payload;
  while (true) {
    switch (decoder_.step(received, payload)) {
      case ChunkedDecoder::Step::kMore:
        return {};
      case ChunkedDecoder::Step::kDone:
        done_ = true;
        return {};
      case ChunkedDecoder::Step::kError:
        return decoder_.error();
      case ChunkedDecoder::Step::kPayload:
        if (const HttpError error = append(payload)) return error;
    }
  }
}

HttpError BodyReceiver::append(std::string_view payload) {
  const std::uint64_t size = size_ + payload.size();
  if (size > max_bytes_) {
    size_ = size;
    return kTooLarge;
  }
  if (place_ == Place::kOwnBuffer) {
    if (!owner_ || size > owner_->size_bytes) {
      if (const HttpError error = grow(size)) return error;
    }
    std::memcpy(data_ + size_, payload.data(), payload.size());
  }
  size_ = size;
  return {};
}

HttpError BodyReceiver::grow(std::uint64_t size) {
  const std::uint64_t wanted = std::max({size, size_ * 2, kFirstBuffer});
  if (!reserve(wanted - reserved_)) return kBusy;
  BufferLease larger = pool_.acquire(wanted);
  if (!larger) return kNoMemory;
  if (size_ > 0) std::memcpy(larger->data, data_, size_);
  owner_ = std::move(larger);
  data_ = owner_->data;
  return {};
}

std::span<std::byte> BodyReceiver::room() const {
  if (chunked_ || place_ != Place::kOwnBuffer) return {};
  return {data_ + size_, static_cast<std::size_t>(length_ - size_)};
}

bool BodyReceiver::reserve(std::uint64_t bytes) {
  if (reserved_ > 0) {  // more of what is let in already: alone, or within the budget
    budget_.give_back(reserved_);
    const std::uint64_t held = std::exchange(reserved_, 0);
    bytes += held;
  }
  if (!budget_.try_take(bytes)) return false;
  reserved_ = bytes;
  return true;
}

void BodyReceiver::reset() {
  if (reserved_ > 0) budget_.give_back(std::exchange(reserved_, 0));
  place_ = Place::kNowhere;
  chunked_ = done_ = false;
  length_ = size_ = 0;
  data_ = nullptr;
  owner_.reset();
  decoder_ = ChunkedDecoder();
}

}  // namespace penstock::door
