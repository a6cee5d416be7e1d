// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Tensors that lie in memory which clients share with the server (contract 1.9), for either
// protocol. Thread safety: as the request. Ownership: leases go into the request. Blocks only to
// copy an input out of a GPU whose model is not there.
#pragma once

#include <cstdint>
#include <string_view>

#include "penstock/codec.h"
#include "penstock/shared_regions.h"

namespace penstock::wire {

struct RegionReference {
  std::string_view region;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

// What a codec knows of regions; `regions` may be null: there are none.
struct RegionSource {
  const SharedRegions* regions;
  BufferPool& pool;
  const CodecLimits& limits;
};

// Makes `input` a view of the window; where somebody on the host must read it and it lies in a
// GPU's memory, of a copy.
[[nodiscard]] Status take_input(const RegionSource& source, const RegionReference& from,
                                const ModelPlan& plan, std::string_view name, InputTensor& input);
[[nodiscard]] Status take_output(const RegionSource& source, const RegionReference& to,
                                 RequestedOutput& output);
// Puts an output of a response where it was wanted, unless it is there already.
[[nodiscard]] Status put_output(const SharedRegions* regions, const RegionWindow& window,
                                std::string_view name, const TensorView& view);

}  // namespace penstock::wire
