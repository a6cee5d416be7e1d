// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/call_message.h"

#include <protozero/pbf_writer.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "wire/guard.h"
#include "wire/proto_fields.h"
#include "wire/proto_reader.h"
#include "wire/proto_writer.h"

namespace penstock {
namespace {

constexpr std::string_view kAnswer = "ModelInferResponse";
constexpr std::size_t kMaxMessageBytes = 2147483647;  // as the protocol has it
constexpr std::size_t kRawHeadBytes = 6;              // at most, up to that size

// Everything before the raw inputs.
void append_head(std::string& text, const CallRequest& request) {
  wire::append_names(text, request.model, request.version, request.id);
  for (const Parameter& parameter : request.parameters) wire::append_parameter(text, parameter);
  for (const CallTensor& input : request.inputs) {
    wire::append_tensor_head(text, input.name, input.view);
  }
  for (const std::string_view name : request.outputs) {
    protozero::pbf_writer writer(text);
    protozero::pbf_writer output(writer, 6);
    output.add_string(1, name.data(), name.size());
  }
}

void append(std::vector<std::byte>& message, ByteSpan bytes) {
  message.insert(message.end(), bytes.begin(), bytes.end());
}

Status write(const CallRequest& request, std::vector<std::byte>& message) {
  std::string text;
  append_head(text, request);
  std::size_t size = text.size();
  for (const CallTensor& input : request.inputs) size += kRawHeadBytes + input.view.size_bytes;
  if (size > kMaxMessageBytes) {
    return invalid_arg("An error occurred while performing BLS request. The request has " +
                       std::to_string(size) + " bytes; a message has at most " +
                       std::to_string(kMaxMessageBytes));
  }
  message.clear();
  message.reserve(size);
  append(message, std::as_bytes(std::span(text)));
  for (const CallTensor& input : request.inputs) {
    text.clear();
    wire::append_raw_head(text, wire::RawField::kInputs, input.view.size_bytes);
    append(message, std::as_bytes(std::span(text)));
    append(message, {input.view.data, input.view.size_bytes});
  }
  return {};
}

Status malformed(std::string_view why) {
  return invalid_arg("malformed " + std::string(kAnswer) + ": " + std::string(why));
}

Status malformed_output(std::string_view name, std::string_view why) {
  return malformed("output '" + std::string(name) + "' " + std::string(why));
}

Status read_response_parameter(std::string_view entry, std::vector<Parameter>& parameters) {
  wire::ProtoParameter read;
  if (!wire::read_parameter(entry, read).ok()) return malformed("a parameter is not valid UTF-8");
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          parameters.push_back({std::string(read.name), std::string(value)});
        } else if constexpr (!std::is_same_v<T, std::monostate>) {
          parameters.push_back({std::string(read.name), value});
        }
      },
      read.value);
  return {};
}

Status read_output(std::string_view head, std::string_view raw, CallTensor& output) {
  wire::ProtoTensorHead read;
  std::vector<wire::ProtoParameter> parameters;  // of the output: they mean nothing here
  if (!wire::read_tensor_head(head, {}, read, parameters).ok()) {
    return malformed("the head of an output is not readable");
  }
  TensorView& view = output.view;
  output.name = read.name;
  view.type = parse_data_type(read.datatype);
  view.shape = read.shape;
  view.data = reinterpret_cast<const std::byte*>(raw.data());
  view.size_bytes = raw.size();
  if (view.type == DataType::kInvalid) return malformed_output(read.name, "has no data type");
  if (read.rank > Shape::kMaxRank) {
    return malformed_output(read.name, "has more than 16 dimensions");
  }
  const bool fits = view.type == DataType::kBytes ? element_count(view.shape).has_value()
                                                  : byte_size(view.type, view.shape) == raw.size();
  return fits ? Status() : malformed_output(read.name, "has data that do not fit its shape");
}

Status read(ByteSpan message, CallResponse& response) {
  response.parameters.clear();
  response.outputs.clear();
  std::vector<std::string_view> heads;
  std::vector<std::string_view> raws;
  protozero::pbf_reader reader(reinterpret_cast<const char*>(message.data()), message.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case wire::length_field(4):
        PENSTOCK_RETURN_IF_ERROR(
            read_response_parameter(wire::view_of(reader), response.parameters));
        break;
      case wire::length_field(5):
        heads.push_back(wire::view_of(reader));
        break;
      case wire::length_field(6):
        raws.push_back(wire::view_of(reader));
        break;
      default:
        reader.skip();
    }
  }
  if (heads.size() != raws.size())
    return malformed("outputs without data, or data without outputs");
  response.outputs.resize(heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(read_output(heads[i], raws[i], response.outputs[i]));
  }
  return {};
}

}  // namespace

Status write_call(const CallRequest& request, std::vector<std::byte>& message) {
  return wire::guarded("ModelInferRequest", [&] { return write(request, message); });
}

Status read_answer(ByteSpan message, CallResponse& response) {
  return wire::guarded(kAnswer, [&] { return read(message, response); });
}

}  // namespace penstock
