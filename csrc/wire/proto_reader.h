// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelInferRequest (contract 1.16) taken apart without copying.
//
// Fields may come in any order and more than once (the last of a single field wins), lists packed
// or not, unknown fields are skipped: as the protobuf rules say. Groups and field numbers that the
// language forbids are malformed. Thread safety: one a thread. Ownership: everything borrows from
// the message. Functions throw protozero::exception on malformed bytes; nothing blocks.
#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string_view>
#include <variant>
#include <vector>

#include "penstock/codec.h"

namespace penstock::wire {

// The value of an InferParameter; monostate: none of the oneof is set.
using ProtoValue =
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string_view>;

struct ProtoParameter {
  std::string_view name;
  ProtoValue value;
};

struct ProtoTensorHead {  // of an input, an output, or an output that is asked for
  std::string_view name;
  std::string_view datatype;
  Shape shape;
  std::uint64_t rank = 0;  // may be more than the shape holds
  bool has_contents = false;
};

struct ProtoRequest {
  std::string_view model_name;
  std::string_view model_version;
  std::string_view id;
  std::vector<ProtoParameter> parameters;
  std::vector<std::string_view> inputs;  // messages
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> raw_contents;
};

[[nodiscard]] Status read_target(ByteSpan message, GrpcCodec::Target& target);
[[nodiscard]] Status read_request(ByteSpan message, const CodecLimits& limits, ProtoRequest& out);

// One entry of map<string, InferParameter>.
[[nodiscard]] Status read_parameter(std::string_view entry, ProtoParameter& parameter);
// InferInputTensor, and InferOutputTensor, which is alike. `parameters` is scratch; it is cleared
// first.
[[nodiscard]] Status read_tensor_head(std::string_view message, const CodecLimits& limits,
                                      ProtoTensorHead& head,
                                      std::vector<ProtoParameter>& parameters);
[[nodiscard]] Status read_output_head(std::string_view message, const CodecLimits& limits,
                                      ProtoTensorHead& head,
                                      std::vector<ProtoParameter>& parameters);

}  // namespace penstock::wire
