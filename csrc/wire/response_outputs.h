// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ResponseOutputs: the tensors of a response as the client wants them, for either protocol.
//
// Thread safety: one a thread. Ownership: views borrow from the response and from Reply::extra.
// Nothing blocks; warm calls allocate nothing from the system.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "penstock/codec.h"
#include "wire/classification.h"

namespace penstock::wire {

struct OutgoingTensor {
  std::string_view name;
  TensorView view;
  bool binary = false;     // HTTP: behind the JSON (1.6)
  bool in_region = false;  // where its client has put aside memory for it (1.9)
};

class ResponseOutputs {
 public:
  // Classified outputs (1.7) are put in `reply.extra` as BYTES tensors, those for a region there.
  // `regions` may be null: there are none.
  [[nodiscard]] Status resolve(const Response& response, const SharedRegions* regions,
                               BufferPool& pool, Reply& reply);
  [[nodiscard]] std::span<const OutgoingTensor> tensors() const { return tensors_; }

 private:
  Status add(const Request& request, const OutputTensor& output, const SharedRegions* regions);
  Status place_classified(BufferPool& pool, Reply& reply);

  struct Replaced {
    std::size_t tensor;
    std::size_t offset;
  };
  Classifier classifier_;
  std::vector<OutgoingTensor> tensors_;
  std::vector<Replaced> replaced_;
};

}  // namespace penstock::wire
