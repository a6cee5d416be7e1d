// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/proto_writer.h"

#include <charconv>
#include <protozero/pbf_writer.hpp>
#include <type_traits>

namespace penstock::wire {
namespace {

using protozero::pbf_writer;

// Field numbers that ModelInferRequest and ModelInferResponse have alike.
enum Field : protozero::pbf_tag_type {
  kModelName = 1,
  kModelVersion = 2,
  kId = 3,
  kParameters = 4,
  kTensors = 5,  // inputs or outputs
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

void append_names(std::string& out, std::string_view model, std::int64_t version,
                  std::string_view id) {
  pbf_writer writer(out);
  add_text(writer, kModelName, model);
  if (version >= 0) {
    char text[24];
    const char* end = std::to_chars(text, text + sizeof(text), version).ptr;
    add_text(writer, kModelVersion, {text, static_cast<std::size_t>(end - text)});
  }
  if (!id.empty()) add_text(writer, kId, id);
}

void append_parameter(std::string& out, const Parameter& parameter) {
  pbf_writer writer(out);
  pbf_writer entry(writer, kParameters);
  add_text(entry, 1, parameter.name);
  add_value(entry, parameter);
}

void append_response_head(std::string& out, const Response& response) {
  const Request& request = *response.request;
  append_names(out, request.plan().name, request.plan().version, request.id);
  for (const Parameter& parameter : response.parameters) append_parameter(out, parameter);
}

void append_tensor_head(std::string& out, std::string_view name, const TensorView& view) {
  pbf_writer writer(out);
  pbf_writer tensor(writer, kTensors);
  add_text(tensor, 1, name);
  add_text(tensor, 2, data_type_name(view.type));
  tensor.add_packed_int64(3, view.shape.begin(), view.shape.end());
}

void append_raw_head(std::string& out, RawField field, std::uint64_t size_bytes) {
  protozero::add_varint_to_buffer(
      &out, protozero::tag_and_type(static_cast<protozero::pbf_tag_type>(field),
                                    protozero::pbf_wire_type::length_delimited));
  protozero::add_varint_to_buffer(&out, size_bytes);
}

}  // namespace penstock::wire
