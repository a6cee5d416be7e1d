// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/proto_writer.h"

#include <charconv>
#include <protozero/pbf_writer.hpp>
#include <type_traits>

namespace penstock::wire {
namespace {

using protozero::pbf_writer;

// Field numbers of ModelInferResponse.
enum ResponseField : protozero::pbf_tag_type {
  kModelName = 1,
  kModelVersion = 2,
  kId = 3,
  kParameters = 4,
  kOutputs = 5,
  kRawOutputContents = 6,
};

void add_text(pbf_writer& writer, protozero::pbf_tag_type field, std::string_view text) {
  writer.add_string(field, text.data(), text.size());
}

void add_value(pbf_writer& writer, const Parameter& parameter) {
  pbf_writer value(writer, 2);
  std::visit(
      [&value](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          value.add_bool(1, v);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          value.add_int64(2, v);
        } else if constexpr (std::is_same_v<T, std::string>) {
          value.add_string(3, v);
        } else if constexpr (std::is_same_v<T, double>) {
          value.add_double(4, v);
        } else {
          value.add_uint64(5, v);
        }
      },
      parameter.value);
}

}  // namespace

void append_response_head(std::string& out, const Response& response) {
  const Request& request = *response.request;
  pbf_writer writer(out);
  add_text(writer, kModelName, request.plan().name);
  char version[24];
  const char* end = std::to_chars(version, version + sizeof(version), request.plan().version).ptr;
  add_text(writer, kModelVersion, {version, static_cast<std::size_t>(end - version)});
  if (!request.id.empty()) add_text(writer, kId, request.id);
  for (const Parameter& parameter : response.parameters) {
    pbf_writer entry(writer, kParameters);
    add_text(entry, 1, parameter.name);
    add_value(entry, parameter);
  }
}

void append_output_head(std::string& out, std::string_view name, const TensorView& view) {
  pbf_writer writer(out);
  pbf_writer output(writer, kOutputs);
  add_text(output, 1, name);
  add_text(output, 2, data_type_name(view.type));
  output.add_packed_int64(3, view.shape.begin(), view.shape.end());
}

void append_raw_head(std::string& out, std::uint64_t size_bytes) {
  protozero::add_varint_to_buffer(
      &out,
      protozero::tag_and_type(kRawOutputContents, protozero::pbf_wire_type::length_delimited));
  protozero::add_varint_to_buffer(&out, size_bytes);
}

}  // namespace penstock::wire
