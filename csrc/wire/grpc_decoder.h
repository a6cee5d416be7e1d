// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcDecoder: one ModelInferRequest into one request (contract 1.8, 1.16, G-21).
//
// Its scratch is reused. Thread safety: one a thread. Ownership: borrows the message, which inputs
// keep alive by the owner's lease; typed contents go to pool memory. Throws protozero::exception on
// malformed bytes; nothing blocks.
#pragma once

#include <string_view>
#include <vector>

#include "penstock/codec.h"
#include "wire/proto_reader.h"
#include "wire/region_tensors.h"

namespace penstock::wire {

class GrpcDecoder {
 public:
  explicit GrpcDecoder(const RegionSource& source)
      : source_(source), pool_(source.pool), limits_(source.limits) {}

  [[nodiscard]] Status decode(ByteSpan message, const BufferLease& owner, Request& request,
                              Answers answers);

 private:
  Status apply_parameter(const ProtoParameter& parameter, Request& request);
  Status apply_custom(const ProtoParameter& parameter, Request& request);
  Status read_input(std::string_view message, const BufferLease& owner, Request& request);
  Status read_typed(std::string_view message, const ProtoTensorHead& head, const Request& request,
                    InputTensor& input);
  Status find_region(const ProtoTensorHead& head, RegionReference& region, bool& found) const;
  Status read_output(std::string_view message, Request& request);

  const RegionSource source_;
  BufferPool& pool_;
  const CodecLimits& limits_;
  ProtoRequest parts_;
  std::vector<ProtoParameter> tensor_parameters_;
  std::size_t next_raw_ = 0;
};

}  // namespace penstock::wire
