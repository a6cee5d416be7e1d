// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/model_cache.h"

#include <atomic>
#include <cstring>
#include <utility>

namespace penstock {
namespace {

// The number of the load stands for model and version: an answer of what was loaded before under
// the same name and version is not one of this model's.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only has to be unique
}

}  // namespace

ModelCache::ModelCache(ResponseCache& cache, const ModelPlan& plan)
    : cache_(cache), number_(next_number()), inputs_(plan) {}

std::optional<std::uint64_t> ModelCache::hash(const Request& request) const {
  return inputs_(hash_, 0, request);
}

bool ModelCache::answer(std::uint64_t hash, Request& request) const {
  const auto found = cache_.find({number_, hash});
  return found != nullptr && give_answer(*found, request);
}

bool ModelCache::store(std::uint64_t hash, const Request& request) const {
  const Response& response = request.response;
  if (!in_host_memory(response)) return false;
  std::size_t data_bytes = 0;  // of what is in memory: cannot overflow
  for (const auto& output : response.outputs)
    data_bytes += aligned_in_answer(output.view.size_bytes);
  const std::size_t size = sizeof(CachedAnswer) + data_bytes +
                           response.outputs.size() * sizeof(OutputTensor) +
                           request.outputs.size() * sizeof(std::uint32_t);
  if (!cache_.has_room_for(size)) return false;
  const BufferLease block = allocate_answer(data_bytes);
  if (!block) return false;
  auto answer = std::make_shared<CachedAnswer>();
  answer->size_bytes = size;
  std::byte* to = block->data;
  for (const auto& output : response.outputs) {
    OutputTensor& kept = answer->outputs.emplace_back(output.spec, output.view, block);
    if (kept.view.size_bytes > 0) std::memcpy(to, output.view.data, kept.view.size_bytes);
    kept.view.data = to;
    kept.view.memory = MemoryKind::kCpu;
    to += aligned_in_answer(kept.view.size_bytes);
  }
  for (const auto& output : request.outputs) answer->asked.push_back(output.spec);
  return cache_.insert({number_, hash}, std::move(answer));
}

}  // namespace penstock
