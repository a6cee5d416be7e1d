// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <string>

#include "penstock/codec.h"
#include "wire/guard.h"
#include "wire/http_decoder.h"
#include "wire/json_document.h"
#include "wire/json_writer.h"
#include "wire/number_text.h"
#include "wire/response_outputs.h"

namespace penstock {
namespace {

using wire::append_json_string;
using wire::OutgoingTensor;

Status append_output(std::string& json, const OutgoingTensor& tensor) {
  json.append(R"({"name":)");
  append_json_string(json, tensor.name);
  json.append(R"(,"datatype":")").append(data_type_name(tensor.view.type));
  json.append(R"(","shape":)");
  wire::append_json_shape(json, tensor.view.shape);
  if (tensor.in_region) {
    json.push_back('}');
    return {};
  }
  if (tensor.binary) {
    json.append(R"(,"parameters":{"binary_data_size":)");
    wire::append_number(json, tensor.view.size_bytes);
    json.append("}}");
    return {};
  }
  json.append(R"(,"data":)");
  PENSTOCK_RETURN_IF_ERROR(wire::append_json_data(json, tensor.name, tensor.view));
  json.push_back('}');
  return {};
}

void append_head(std::string& json, const Response& response) {
  const Request& request = *response.request;
  json.push_back('{');
  if (!request.id.empty()) {
    json.append(R"("id":)");
    append_json_string(json, request.id);
    json.push_back(',');
  }
  json.append(R"("model_name":)");
  append_json_string(json, request.plan().name);
  json.append(R"(,"model_version":")");
  wire::append_number(json, request.plan().version);
  json.push_back('"');
  if (response.parameters.empty()) return;
  char separator = '{';
  json.append(R"(,"parameters":)");
  for (const Parameter& parameter : response.parameters) {
    json.push_back(separator);
    wire::append_json_parameter(json, parameter);
    separator = ',';
  }
  json.push_back('}');
}

}  // namespace

struct HttpCodec::Impl {
  BufferPool& pool;
  CodecLimits limits;
  const SharedRegions* regions;
  wire::JsonDocument document{limits.max_json_depth};
  wire::ResponseOutputs outputs;

  Status encode(const Response& response, Reply& reply);
};

HttpCodec::HttpCodec(BufferPool& pool, CodecLimits limits, const SharedRegions* regions)
    : impl_(new Impl{.pool = pool, .limits = limits, .regions = regions, .outputs = {}}) {}
HttpCodec::~HttpCodec() = default;

Status HttpCodec::decode(ByteSpan body, std::optional<std::uint64_t> json_bytes,
                         const BufferLease& owner, Request& request, Answers answers) {
  if (answers == Answers::kOne && request.plan().decoupled) {  // H-48
    return unsupported("HTTP end point doesn't support models with decoupled transaction policy");
  }
  request.frontend = TraceFrontend::kHttp;
  Status status = wire::guarded("inference request", [&] {
    wire::HttpDecoder decoder({impl_->regions, impl_->pool, impl_->limits}, impl_->document, body,
                              owner, request);
    return json_bytes == 0u ? decoder.decode_raw() : decoder.decode_json(json_bytes);
  });
  impl_->document.trim();
  return status;
}

Status HttpCodec::Impl::encode(const Response& response, Reply& reply) {
  PENSTOCK_RETURN_IF_ERROR(outputs.resolve(response, regions, pool, reply));
  append_head(reply.head, response);
  reply.head.append(R"(,"outputs":[)");
  bool first = true;
  for (const OutgoingTensor& tensor : outputs.tensors()) {
    if (!first) reply.head.push_back(',');
    first = false;
    PENSTOCK_RETURN_IF_ERROR(append_output(reply.head, tensor));
  }
  reply.head.append("]}");
  reply.json_bytes = reply.head.size();
  reply.total_bytes = reply.head.size();
  reply.segments.push_back(std::as_bytes(std::span(reply.head)));
  for (const OutgoingTensor& tensor : outputs.tensors()) {
    if (!tensor.binary || tensor.view.size_bytes == 0) continue;
    reply.segments.emplace_back(tensor.view.data, tensor.view.size_bytes);
    reply.total_bytes += tensor.view.size_bytes;
    reply.has_binary = true;
  }
  return {};
}

Status HttpCodec::encode(const Response& response, Reply& reply) {
  reply.clear();
  return wire::guarded("inference response", [&] { return impl_->encode(response, reply); });
}

}  // namespace penstock
