// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// gRPC's length-prefixed messages: the same ones however the stream is cut, written anew the same
// bytes, and memory within the budget, which is whole again in the end.
#include "door/grpc_framing.h"

#include <span>
#include <string>
#include <vector>

#include "pieces.h"
#include "promise.h"

namespace penstock::fuzz {
namespace {

using door::GrpcMessage;
using door::MessageReader;
using Event = MessageReader::Event;

// Small, so that short inputs reach them.
constexpr std::uint64_t kMaxMessageBytes = 4096;
constexpr std::uint64_t kBudgetBytes = 16384;

struct Messages {
  std::string written_anew;
  Event end = Event::kMore;
  bool inside = false;
  friend bool operator==(const Messages&, const Messages&) = default;
};

class Stream {
 public:
  void feed(std::string_view piece) {
    ByteSpan bytes = std::as_bytes(std::span(piece));
    while (read_.end == Event::kMore) {
      GrpcMessage message;
      const Event event = reader_.read(bytes, message, pool_, budget_, kMaxMessageBytes);
      if (event == Event::kMessage) {
        append(message);
        held_.push_back(std::move(message));  // as a call that is not served yet
        continue;
      }
      read_.end = event;
      if (event != Event::kMore) return;
      require(bytes.empty(), "all is taken when more is wanted");
      return;
    }
  }
  Messages finish() {
    read_.inside = reader_.inside();
    require(budget_.taken() <= kBudgetBytes, "messages stay within the budget");
    reader_.reset();
    held_.clear();
    require(budget_.taken() == 0, "what was taken from the budget is given back");
    require(pool_.stats().in_use_bytes == 0, "what was taken from the pool is given back");
    return std::move(read_);
  }

 private:
  void append(const GrpcMessage& message) {
    const auto prefix = door::grpc_prefix(message.compressed, message.bytes.size());
    read_.written_anew.append(reinterpret_cast<const char*>(prefix.data()), prefix.size());
    read_.written_anew.append(reinterpret_cast<const char*>(message.bytes.data()),
                              message.bytes.size());
  }

  BufferPool pool_{make_page_allocator(), BufferPoolOptions{}};
  door::ByteBudget budget_{kBudgetBytes};
  MessageReader reader_;
  std::vector<GrpcMessage> held_;
  Messages read_;
};

Messages read(std::string_view bytes, Cut cut) {
  Stream stream;
  for_each_piece(bytes, cut, [&](std::string_view piece) { stream.feed(piece); });
  return stream.finish();
}

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  const std::string_view bytes = text_of(data, size);
  const Messages messages = read(bytes, Cut::kWhole);
  require(read(bytes, Cut::kSingleBytes) == messages, "byte by byte they are the same messages");
  require(read(bytes, Cut::kAnywhere) == messages, "cut anywhere they are the same messages");
  require(bytes.starts_with(messages.written_anew), "messages written anew are the same bytes");
  return 0;
}
