// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "wire/proto_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <string>

#include "wire/proto_fields.h"
#include "wire/request_rules.h"

namespace penstock::wire {
namespace {

using protozero::pbf_reader;

std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<signed char>(c) >= 0; });
}

// Strings of proto3 are UTF-8; every text that may come back in an error goes through here.
Status read_string(pbf_reader& reader, std::string_view field, std::string_view& out) {
  out = view_of(reader);
  if (is_ascii(out) || simdjson::validate_utf8(out.data(), out.size())) return {};
  return invalid_arg("malformed ModelInferRequest: field '" + std::string(field) +
                     "' is not valid UTF-8");
}

Status read_value(std::string_view message, ProtoValue& value) {
  pbf_reader reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case varint_field(1):
        value = varint_of(reader) != 0;
        break;
      case varint_field(2):
        value = static_cast<std::int64_t>(varint_of(reader));
        break;
      case length_field(3): {
        std::string_view text;
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "string_param", text));
        value = text;
        break;
      }
      case fixed64_field(4):
        value = reader.get_double();
        break;
      case varint_field(5):
        value = varint_of(reader);
        break;
      default:
        reader.skip();
    }
  }
  return {};
}

// A later one of the same name replaces an earlier.
Status add_parameter(std::string_view entry, const CodecLimits& limits,
                     std::vector<ProtoParameter>& parameters) {
  ProtoParameter parameter;
  PENSTOCK_RETURN_IF_ERROR(read_parameter(entry, parameter));
  const auto same = std::find_if(parameters.begin(), parameters.end(),
                                 [&](const auto& p) { return p.name == parameter.name; });
  if (same != parameters.end()) {
    *same = parameter;
  } else if (parameters.size() == limits.max_parameters) {
    return too_many("parameters", parameters.size() + 1, limits.max_parameters);
  } else {
    parameters.push_back(parameter);
  }
  return {};
}

Status collect(std::vector<std::string_view>& list, std::string_view what, std::uint32_t max,
               pbf_reader& reader) {
  if (list.size() == max) return too_many(what, list.size() + 1, max);
  list.push_back(view_of(reader));
  return {};
}

void push_dim(ProtoTensorHead& head, std::uint64_t dim) {
  ++head.rank;
  (void)head.shape.try_push_back(static_cast<std::int64_t>(dim));  // rank says when it is too long
}

void read_packed_shape(std::string_view packed, ProtoTensorHead& head) {
  const char* at = packed.data();
  const char* end = at + packed.size();
  while (at != end) push_dim(head, protozero::decode_varint(&at, end));
}

}  // namespace

Status read_parameter(std::string_view entry, ProtoParameter& parameter) {
  pbf_reader reader(entry.data(), entry.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case length_field(1):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "parameters", parameter.name));
        break;
      case length_field(2):
        PENSTOCK_RETURN_IF_ERROR(read_value(view_of(reader), parameter.value));
        break;
      default:
        reader.skip();
    }
  }
  return {};
}

Status read_target(ByteSpan message, GrpcCodec::Target& target) {
  target = {};
  pbf_reader reader(as_text(message).data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case length_field(1):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "model_name", target.model));
        break;
      case length_field(2):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "model_version", target.version));
        break;
      case length_field(3):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "id", target.id));
        break;
      default:
        reader.skip();
    }
  }
  return {};
}

Status read_request(ByteSpan message, const CodecLimits& limits, ProtoRequest& out) {
  out.model_name = out.model_version = out.id = {};
  out.parameters.clear();
  out.inputs.clear();
  out.outputs.clear();
  out.raw_contents.clear();
  pbf_reader reader(as_text(message).data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case length_field(1):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "model_name", out.model_name));
        break;
      case length_field(2):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "model_version", out.model_version));
        break;
      case length_field(3):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "id", out.id));
        break;
      case length_field(4):
        PENSTOCK_RETURN_IF_ERROR(add_parameter(view_of(reader), limits, out.parameters));
        break;
      case length_field(5):
        PENSTOCK_RETURN_IF_ERROR(collect(out.inputs, "inputs", limits.max_tensors, reader));
        break;
      case length_field(6):
        PENSTOCK_RETURN_IF_ERROR(collect(out.outputs, "outputs", limits.max_tensors, reader));
        break;
      case length_field(7):
        PENSTOCK_RETURN_IF_ERROR(
            collect(out.raw_contents, "raw_input_contents", limits.max_tensors, reader));
        break;
      default:
        reader.skip();
    }
  }
  return {};
}

Status read_tensor_head(std::string_view message, const CodecLimits& limits, ProtoTensorHead& head,
                        std::vector<ProtoParameter>& parameters) {
  head = {};
  parameters.clear();
  pbf_reader reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case length_field(1):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "inputs.name", head.name));
        break;
      case length_field(2):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "inputs.datatype", head.datatype));
        break;
      case length_field(3):
        read_packed_shape(view_of(reader), head);
        break;
      case varint_field(3):
        push_dim(head, varint_of(reader));
        break;
      case length_field(4):
        PENSTOCK_RETURN_IF_ERROR(add_parameter(view_of(reader), limits, parameters));
        break;
      case length_field(5):
        head.has_contents = true;
        reader.skip();
        break;
      default:
        reader.skip();
    }
  }
  return {};
}

Status read_output_head(std::string_view message, const CodecLimits& limits, ProtoTensorHead& head,
                        std::vector<ProtoParameter>& parameters) {
  head = {};
  parameters.clear();
  pbf_reader reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case length_field(1):
        PENSTOCK_RETURN_IF_ERROR(read_string(reader, "outputs.name", head.name));
        break;
      case length_field(2):
        PENSTOCK_RETURN_IF_ERROR(add_parameter(view_of(reader), limits, parameters));
        break;
      default:
        reader.skip();
    }
  }
  return {};
}

}  // namespace penstock::wire
