// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// TraceRecord: what became of a request that is traced (contract 8.1).
//
// Thread safety: none, its owner's. Ownership: it travels with its request, then by itself. Nothing
// blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/tensor.h"

namespace penstock {

// Whose words the stamps of receiving and sending have (T-2).
enum class TraceFrontend : std::uint8_t { kNone, kHttp, kGrpc };

struct TraceStamp {
  std::string_view name;  // static text
  std::int64_t ns = 0;    // on the engine's clock
};

struct TraceTensor {
  std::string_view activity;  // static text
  std::string name;
  DataType type = DataType::kInvalid;
  Shape shape;
  std::string data;  // empty when the record has no room for it
};

// What the traces of requests that a traced request causes need of it. Plain bytes, without holes.
struct TraceLink {
  std::uint64_t id = 0;  // 0: it is not traced
  std::uint64_t root_id = 0;
  std::uint64_t generation = 0;
  std::uint64_t wants_tensors = 0;
  std::array<char, 56> context{};  // TraceRecord's, then zeros
};

struct TraceRecord {
  static constexpr std::size_t kMaxTensorBytes = 16 << 20;

  std::uint64_t id = 0;          // 1, 2, 3 ...
  std::uint64_t parent_id = 0;   // of the ensemble's trace; 0: none
  std::uint64_t root_id = 0;     // of the trace that the client's request is
  std::uint64_t generation = 0;  // of the settings that it was sampled under
  bool wants_tensors = false;
  TraceFrontend frontend = TraceFrontend::kNone;
  std::string model;
  std::int64_t version = 0;
  std::string request_id;
  std::string context;  // W3C traceparent of the client's request; empty: it has none
  std::string error;    // why the request failed; empty: it did not
  std::int64_t sending_ns = 0;
  std::vector<TraceStamp> stamps;
  std::vector<TraceTensor> tensors;
  std::size_t tensor_bytes = 0;

  [[nodiscard]] TraceLink link() const {
    TraceLink link{id, root_id, generation, wants_tensors, {}};
    context.copy(link.context.data(), link.context.size() - 1);
    return link;
  }
};

}  // namespace penstock
