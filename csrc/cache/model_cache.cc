// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/model_cache.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <numeric>
#include <utility>

namespace penstock {
namespace {

constexpr std::size_t kAlignment = 64;

// The number of the load stands for model and version: an answer of what was loaded before under
// the same name and version is not one of this model's.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only has to be unique
}

std::size_t aligned(std::size_t size_bytes) {
  return (size_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// A block for an entry's bytes; empty when there is no memory.
BufferLease allocate(std::size_t size_bytes) {
  auto* buffer = new Buffer;
  buffer->data = static_cast<std::byte*>(::operator new (
      std::max(size_bytes, kAlignment), std::align_val_t{kAlignment}, std::nothrow));
  buffer->size_bytes = size_bytes;
  buffer->release = [](Buffer* b) noexcept {
    ::operator delete (b->data, std::align_val_t{kAlignment});
    delete b;
  };
  BufferLease lease = BufferLease::adopt(buffer);
  return buffer->data != nullptr ? lease : BufferLease();
}

bool in_host_memory(const Response& response) {
  return std::all_of(response.outputs.begin(), response.outputs.end(),
                     [](const OutputTensor& o) { return o.view.memory != MemoryKind::kGpu; });
}

// Whether the entry was made for a request that asked for the output.
bool asked_for(const CachedAnswer& answer, std::uint32_t spec) {
  return std::find(answer.asked.begin(), answer.asked.end(), spec) != answer.asked.end();
}

bool covers(const CachedAnswer& answer, const Request& request) {
  if (answer.asked.empty()) return true;
  if (request.outputs.empty()) {
    const auto all = static_cast<std::uint32_t>(request.plan().client_outputs());
    for (std::uint32_t i = 0; i < all; ++i) {
      if (!asked_for(answer, i)) return false;
    }
    return true;
  }
  return std::all_of(request.outputs.begin(), request.outputs.end(),
                     [&](const RequestedOutput& o) { return asked_for(answer, o.spec); });
}

}  // namespace

ModelCache::ModelCache(ResponseCache& cache, const ModelPlan& plan)
    : cache_(cache), plan_(plan), number_(next_number()), by_name_(plan.client_inputs()) {
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return plan.inputs[a].name < plan.inputs[b].name;
  });
}

std::optional<std::uint64_t> ModelCache::hash(const Request& request) const {
  std::uint64_t hash = 0;
  for (std::uint32_t spec : by_name_) {
    const InputTensor* input = request.find_input(spec);
    if (input == nullptr) continue;  // optional
    if (input->view.memory == MemoryKind::kGpu) return std::nullopt;
    const std::string& name = plan_.inputs[spec].name;
    hash = hash_(hash, reinterpret_cast<const std::byte*>(name.data()), name.size());
    hash = hash_(hash, input->view.data, input->view.size_bytes);
  }
  return hash;
}

bool ModelCache::answer(std::uint64_t hash, Request& request) const {
  const auto found = cache_.find({number_, hash});
  if (found == nullptr || !covers(*found, request)) return false;
  for (const auto& output : found->outputs) {
    if (request.wants_output(output.spec)) request.response.outputs.append() = output;
  }
  request.response.answered = true;
  return true;
}

bool ModelCache::store(std::uint64_t hash, const Request& request) const {
  const Response& response = request.response;
  if (!in_host_memory(response)) return false;
  std::size_t data_bytes = 0;  // of what is in memory: cannot overflow
  for (const auto& output : response.outputs) data_bytes += aligned(output.view.size_bytes);
  const std::size_t size = sizeof(CachedAnswer) + data_bytes +
                           response.outputs.size() * sizeof(OutputTensor) +
                           request.outputs.size() * sizeof(std::uint32_t);
  if (!cache_.has_room_for(size)) return false;
  const BufferLease block = allocate(data_bytes);
  if (!block) return false;
  auto answer = std::make_shared<CachedAnswer>();
  answer->size_bytes = size;
  std::byte* to = block->data;
  for (const auto& output : response.outputs) {
    OutputTensor& kept = answer->outputs.emplace_back(output.spec, output.view, block);
    if (kept.view.size_bytes > 0) std::memcpy(to, output.view.data, kept.view.size_bytes);
    kept.view.data = to;
    kept.view.memory = MemoryKind::kCpu;
    to += aligned(kept.view.size_bytes);
  }
  for (const auto& output : request.outputs) answer->asked.push_back(output.spec);
  return cache_.insert({number_, hash}, std::move(answer));
}

}  // namespace penstock
