// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// gzip and deflate bodies: never more than the bound comes out, a broken one is the client's error,
// and what is compressed comes out as it went in.
#include "door/compression.h"

#include <array>
#include <string>
#include <vector>

#include "pieces.h"
#include "promise.h"

namespace penstock::fuzz {
namespace {

using door::Deflater;
using door::Encoding;
using door::Inflater;

constexpr std::uint64_t kMaxBytes = 1 << 20;
// Of 256 KiB each, and one that ends it; a stream without end must be refused by then.
constexpr int kMostSlices = kMaxBytes / (256 << 10) + 2;

struct Memory {
  BufferPool pool{make_page_allocator(), BufferPoolOptions{}};
  door::ByteBudget budget{8 << 20};
};

// Whether it is whole; then `out` is what came out.
bool inflate(std::string_view body, Memory& memory, std::string& out) {
  Inflater inflater(std::as_bytes(std::span(body)), kMaxBytes, memory.pool, memory.budget);
  bool done = false;
  for (int slices = 0; !done; ++slices) {
    require(slices < kMostSlices, "the work has an end");
    const Status status = inflater.step(done);
    require(memory.budget.taken() <= 2 * kMaxBytes, "memory stays near the bound");
    if (status.ok()) continue;
    require_client_error(status);
    return false;
  }
  require(inflater.size_bytes() <= kMaxBytes, "no more than the bound comes out");
  const auto& buffer = inflater.buffer();
  if (inflater.size_bytes() > 0) {
    out.assign(reinterpret_cast<const char*>(buffer->data), inflater.size_bytes());
  }
  return true;
}

void require_round_trip(std::string_view text, Encoding encoding, Memory& memory) {
  std::vector<ByteSpan> segments;
  for_each_piece(text, Cut::kAnywhere, [&](std::string_view piece) {
    segments.push_back(std::as_bytes(std::span(piece)));
  });
  std::string compressed;
  Deflater deflater(segments, encoding);
  while (!deflater.step(compressed)) {
  }
  require(!deflater.failed(), "there is memory to compress");
  std::string out;
  require(inflate(compressed, memory, out) && out == text, "what went in comes out");
}

void check(std::string_view body) {
  static Memory memory;
  std::string out;
  if (inflate(body, memory, out) && out.size() <= (64 << 10)) {
    require_round_trip(out, Encoding::kGzip, memory);
    require_round_trip(out, Encoding::kDeflate, memory);
  }
  require(memory.budget.taken() == 0, "the budget is whole again");
  require(memory.pool.stats().in_use_bytes == 0, "the pool is whole again");
}

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  penstock::fuzz::check(penstock::fuzz::text_of(data, size));
  return 0;
}
