// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HttpDecoder: one inference body into one request (contract 1.5, 1.6).
//
// Lives for one decode, on the stack of HttpCodec::decode. Thread safety: none needed. Ownership:
// borrows all that it is given; inputs hold the owner's lease or pool memory. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "penstock/codec.h"
#include "wire/json_document.h"
#include "wire/json_members.h"
#include "wire/region_tensors.h"

namespace penstock::wire {

class HttpDecoder {
 public:
  HttpDecoder(const RegionSource& source, JsonDocument& document, ByteSpan body,
              const BufferLease& owner, Request& request)
      : source_(source),
        pool_(source.pool),
        limits_(source.limits),
        document_(document),
        body_(body),
        owner_(owner),
        request_(request),
        forwarded_(request.parameters.size()) {}

  // JSON in front, then the tensors with a binary_data_size. `json_bytes` nullopt: JSON alone.
  [[nodiscard]] Status decode_json(std::optional<std::uint64_t> json_bytes);
  // B-3: the body is the one input of the model.
  [[nodiscard]] Status decode_raw();

 private:
  struct InputParameters;

  Status parse_head(std::uint64_t json_bytes, simdjson::dom::object& root);
  bool padded(std::size_t json_bytes) const;
  Status read_parameters(const Member& member);
  Status read_reserved(const Member& parameter, bool& reserved);
  Status read_custom(std::string_view key, simdjson::dom::element value);
  Status read_inputs(const Member& member);
  Status read_input(simdjson::dom::element item, const Place& place);
  Status read_shape(const Member& member, std::string_view input, const Place& place, Shape& shape);
  Status read_input_parameters(const Member& member, const Place& place, InputParameters& out);
  Status check_source(bool has_data, const InputParameters& parameters) const;
  Status take_binary(std::string_view name, std::uint64_t size_bytes, InputTensor& input);
  Status read_data(const Member& member, std::string_view name, const Place& place,
                   InputTensor& input);
  Status read_outputs(const Member& member);
  Status read_output(simdjson::dom::element item, const Place& place);
  Status raw_shape(const TensorSpec& spec, Shape& shape) const;
  Status too_large(std::string_view what, std::uint64_t size_bytes, std::string_view verb) const;

  const RegionSource source_;
  BufferPool& pool_;
  const CodecLimits& limits_;
  JsonDocument& document_;
  ByteSpan body_;
  const BufferLease& owner_;
  Request& request_;
  std::size_t forwarded_;  // parameters that were there before: headers
  std::size_t json_bytes_ = 0;
  bool has_binary_part_ = false;
  std::size_t binary_at_ = 0;  // the next binary tensor's first byte in body_
  std::uint32_t reserved_seen_ = 0;
};

}  // namespace penstock::wire
