// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/compression.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "door/http1_parser.h"

namespace penstock::door {
namespace {

// zlib's windowBits: 32 KiB of history, and which format.
constexpr int kWindowBits = 15;
constexpr int kEitherFormat = 32 + kWindowBits;
constexpr int kGzipFormat = 16 + kWindowBits;

constexpr std::size_t kInflateSlice = 256 << 10;  // bytes out
constexpr std::size_t kDeflateSlice = 32 << 10;   // bytes in
constexpr std::size_t kFirstBuffer = 64 << 10;

// The value of `q=<n>`; 1 when there is none, 0 when it is nonsense.
double weight_of(std::string_view parameter) {
  parameter = trimmed(parameter);
  if (parameter.empty()) return 1.0;
  const std::size_t equals = parameter.find('=');
  if (equals == std::string_view::npos) return 0.0;
  if (!equals_ignoring_case(trimmed(parameter.substr(0, equals)), "q")) return 0.0;
  const std::string_view value = trimmed(parameter.substr(equals + 1));
  double weight = 0.0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), weight);
  const bool whole = error == std::errc{} && end == value.data() + value.size();
  return whole && weight >= 0.0 && weight <= 1.0 ? weight : 0.0;
}

Status cannot(const std::string& why) {
  return invalid_arg("Unable to decompress the request body: " + why);
}

Bytef* bytes_of(const std::byte* data) {
  return reinterpret_cast<Bytef*>(const_cast<std::byte*>(data));  // zlib's API has no const
}

// zlib counts in 32 bits.
uInt clipped(std::size_t bytes) {
  return static_cast<uInt>(std::min<std::size_t>(bytes, std::size_t{1} << 30));
}

}  // namespace

Encoding negotiate(std::string_view accept_encoding) {
  Encoding best = Encoding::kIdentity;
  double best_weight = 0.0;
  for_each_element(accept_encoding, [&](std::string_view item) {
    const std::size_t semicolon = item.find(';');
    const std::string_view name = trimmed(item.substr(0, semicolon));
    Encoding encoding;
    if (equals_ignoring_case(name, "identity")) {
      encoding = Encoding::kIdentity;
    } else if (equals_ignoring_case(name, "gzip")) {
      encoding = Encoding::kGzip;
    } else if (equals_ignoring_case(name, "deflate")) {
      encoding = Encoding::kDeflate;
    } else {
      return;
    }
    const bool weighted = semicolon != std::string_view::npos;
    const double weight = weighted ? weight_of(item.substr(semicolon + 1)) : 1.0;
    if (weight > best_weight) {
      best = encoding;
      best_weight = weight;
    }
  });
  return best;
}

std::string_view encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kGzip:
      return "gzip";
    case Encoding::kDeflate:
      return "deflate";
    default:
      return "identity";
  }
}

Inflater::Inflater(ByteSpan body, std::uint64_t max_bytes, BufferPool& pool, ByteBudget& budget)
    : body_(body), max_bytes_(max_bytes), pool_(pool), budget_(budget) {
  stream_.next_in = bytes_of(body.data());
}

Inflater::~Inflater() {
  if (stream_.state != nullptr) inflateEnd(&stream_);
  if (budgeted_ > 0) budget_.give_back(budgeted_);
}

// The buffer doubles; one byte more than the limit is enough to see that it is passed.
Status Inflater::make_room() {
  if (out_ && size_ < out_->size_bytes) return {};
  const std::size_t have = out_ ? out_->size_bytes : 0;
  const std::size_t wanted =
      std::min<std::uint64_t>(std::max(have * 2, kFirstBuffer), max_bytes_ + 1);
  if (!budget_.try_take(wanted - have)) {
    return unavailable("too many bytes in flight, try again later");
  }
  budgeted_ += wanted - have;
  BufferLease larger = pool_.acquire(wanted);
  if (!larger) return unavailable("no memory for the decompressed request body");
  if (size_ > 0) std::memcpy(larger->data, out_->data, size_);
  out_ = std::move(larger);
  return {};
}

Status Inflater::verdict(int code, bool& done) {
  if (size_ > max_bytes_) {
    return invalid_arg("Decompressed data size exceeds the maximum allowed value of " +
                       std::to_string(max_bytes_) +
                       " bytes. Use --http-max-input-size to increase the limit.");
  }
  const bool all_read = stream_.next_in == bytes_of(body_.data() + body_.size());
  if (code == Z_STREAM_END) {
    done = true;
    return all_read ? Status{} : cannot("data follows its end");
  }
  if (code == Z_MEM_ERROR) return unavailable("no memory for the decompressed request body");
  if (code == Z_OK || (code == Z_BUF_ERROR && stream_.avail_out == 0)) return {};
  if (code == Z_BUF_ERROR) return all_read ? cannot("it is truncated") : Status{};
  // As Python's zlib says it, for the other data plane.
  const std::string cause = stream_.msg != nullptr ? std::string(": ") + stream_.msg : "";
  return cannot("Error " + std::to_string(code) + " while decompressing data" + cause);
}

Status Inflater::step(bool& done) {
  done = false;
  if (body_.empty()) return cannot("it is empty");
  if (stream_.state == nullptr && inflateInit2(&stream_, kEitherFormat) != Z_OK) {
    return unavailable("no memory for the decompressed request body");
  }
  const std::size_t slice_end = size_ + kInflateSlice;
  while (!done && size_ < slice_end) {
    PENSTOCK_RETURN_IF_ERROR(make_room());
    const auto read = static_cast<std::size_t>(stream_.next_in - bytes_of(body_.data()));
    stream_.avail_in = clipped(body_.size() - read);
    stream_.next_out = bytes_of(out_->data + size_);
    const uInt room = clipped(std::min(out_->size_bytes - size_, slice_end - size_));
    stream_.avail_out = room;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    size_ += room - stream_.avail_out;
    PENSTOCK_RETURN_IF_ERROR(verdict(code, done));
  }
  return {};
}

Deflater::Deflater(std::span<const ByteSpan> segments, Encoding encoding) : segments_(segments) {
  constexpr int kMemoryLevel = 8;  // zlib's default
  const int bits = encoding == Encoding::kGzip ? kGzipFormat : kWindowBits;
  failed_ = deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits, kMemoryLevel,
                         Z_DEFAULT_STRATEGY) != Z_OK;
}

Deflater::~Deflater() { deflateEnd(&stream_); }

std::size_t Deflater::take_input(std::size_t at_most) {
  while (left_.empty() && !segments_.empty()) {
    left_ = segments_.front();
    segments_ = segments_.subspan(1);
  }
  const std::size_t taken = std::min(left_.size(), at_most);
  stream_.next_in = bytes_of(left_.data());
  stream_.avail_in = static_cast<uInt>(taken);
  left_ = left_.subspan(taken);
  return taken;
}

bool Deflater::step(std::string& out) {
  constexpr std::size_t kRoom = 16 << 10;
  std::size_t slice = kDeflateSlice;
  while (!failed_) {
    if (stream_.avail_in == 0) {
      if (slice == 0) return false;
      slice -= take_input(slice);
    }
    const std::size_t size = out.size();
    out.resize(size + kRoom);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + size);
    stream_.avail_out = kRoom;
    const int code = deflate(&stream_, stream_.avail_in == 0 ? Z_FINISH : Z_NO_FLUSH);
    out.resize(size + kRoom - stream_.avail_out);
    if (code == Z_STREAM_END) return true;
    failed_ = code != Z_OK && code != Z_BUF_ERROR;
  }
  return true;
}

}  // namespace penstock::door
