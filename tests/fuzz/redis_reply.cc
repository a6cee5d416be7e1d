// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What a Redis answers: the same replies however the bytes are cut; and each of them as a cached
// answer, sealed, as one would be that somebody forged.
#include <cstring>
#include <string>
#include <vector>

#include "cache/answer_bytes.h"
#include "cache/redis_protocol.h"
#include "pieces.h"
#include "promise.h"
#include "support/plans.h"

namespace penstock::fuzz {
namespace {

constexpr std::size_t kMaxBulk = 1 << 16;

struct Stream {
  std::vector<std::string> replies;
  bool broken = false;
  friend bool operator==(const Stream&, const Stream&) = default;
};

Stream read(std::string_view bytes, Cut cut) {
  RedisReader reader(kMaxBulk);
  Stream stream;
  for_each_piece(bytes, cut, [&](std::string_view piece) {
    while (!piece.empty() && !stream.broken) {
      const std::span<char> space = reader.space();
      require(!space.empty(), "there is room for more");
      const std::size_t size = std::min(piece.size(), space.size());
      std::memcpy(space.data(), piece.data(), size);
      reader.received(size);
      piece.remove_prefix(size);
      RedisReply reply;
      auto next = reader.next(reply);
      for (; next == RedisReader::Next::kReply; next = reader.next(reply)) {
        stream.replies.push_back(std::to_string(static_cast<int>(reply.kind)) +
                                 std::string(reply.bytes));
      }
      stream.broken = next == RedisReader::Next::kBroken;
    }
  });
  return stream;
}

ModelPlan plan() {
  ModelPlan plan = testing::pair_plan(8);
  plan.outputs.push_back(testing::tensor_spec("TEXT", DataType::kBytes, Shape{-1}));
  return plan;
}

void read_as_answer(std::string bytes) {
  static const ModelPlan model = plan();
  (void)read_answer(bytes, model);
  constexpr std::size_t kHead = 16;
  if (bytes.size() < kHead) return;
  seal_answer(bytes);
  const auto answer = read_answer(bytes, model);
  if (!answer) return;
  for (const auto& output : answer->outputs) {
    require(output.spec < model.outputs.size(), "an output of the model");
    require(output.view.type == model.outputs[output.spec].type, "of its type");
    std::string copy(reinterpret_cast<const char*>(output.view.data), output.view.size_bytes);
    require(copy.size() <= bytes.size(), "no more than was there");
  }
}

}  // namespace
}  // namespace penstock::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const Stream whole = read(bytes, Cut::kWhole);
  for (const Cut cut : kCuts) require(read(bytes, cut) == whole, "however it is cut");
  read_as_answer(bytes);
  return 0;
}
