// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <string>
#include <vector>

#include "penstock/codec.h"
#include "wire/grpc_decoder.h"
#include "wire/guard.h"
#include "wire/proto_reader.h"
#include "wire/proto_writer.h"
#include "wire/response_outputs.h"

namespace penstock {
namespace {

constexpr std::size_t kMaxResponseBytes = 2147483647;  // G-24

}  // namespace

struct GrpcCodec::Impl {
  Impl(BufferPool& buffer_pool, CodecLimits codec_limits, const SharedRegions* shared_regions)
      : pool(buffer_pool), limits(codec_limits), regions(shared_regions) {}

  BufferPool& pool;
  CodecLimits limits;
  const SharedRegions* regions;
  wire::GrpcDecoder decoder{{regions, pool, limits}};
  wire::ResponseOutputs outputs;
  std::vector<std::size_t> cuts;  // where in Reply::head each raw output comes

  Status encode(const Response& response, Reply& reply);
  void join(Reply& reply);
};

GrpcCodec::GrpcCodec(BufferPool& pool, CodecLimits limits, const SharedRegions* regions)
    : impl_(std::make_unique<Impl>(pool, limits, regions)) {}
GrpcCodec::~GrpcCodec() = default;

Status GrpcCodec::peek(ByteSpan message, Target& target) {
  return wire::guarded("ModelInferRequest", [&] { return wire::read_target(message, target); });
}

Status GrpcCodec::decode(ByteSpan message, const BufferLease& owner, Request& request,
                         Answers answers) {
  request.frontend = TraceFrontend::kGrpc;
  return wire::guarded("ModelInferRequest",
                       [&] { return impl_->decoder.decode(message, owner, request, answers); });
}

// Outputs are always raw, in the order of the outputs.
Status GrpcCodec::Impl::encode(const Response& response, Reply& reply) {
  PENSTOCK_RETURN_IF_ERROR(outputs.resolve(response, regions, pool, reply));
  wire::append_response_head(reply.head, response);
  for (const auto& tensor : outputs.tensors()) {
    wire::append_tensor_head(reply.head, tensor.name, tensor.view);
  }
  cuts.clear();
  for (const auto& tensor : outputs.tensors()) {
    wire::append_raw_head(reply.head, wire::RawField::kOutputs, tensor.view.size_bytes);
    cuts.push_back(reply.head.size());
    reply.total_bytes += tensor.view.size_bytes;
  }
  reply.total_bytes += reply.head.size();
  if (reply.total_bytes > kMaxResponseBytes) {
    return invalid_arg("Response has byte size " + std::to_string(reply.total_bytes) +
                       " which exceeds gRPC's byte size limit " +
                       std::to_string(kMaxResponseBytes) + ".");
  }
  join(reply);
  return {};
}

void GrpcCodec::Impl::join(Reply& reply) {
  const ByteSpan head = std::as_bytes(std::span(reply.head));
  std::size_t from = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const TensorView& view = outputs.tensors()[i].view;
    if (view.size_bytes == 0) continue;  // its head goes with the next piece
    reply.segments.push_back(head.subspan(from, cuts[i] - from));
    reply.segments.emplace_back(view.data, view.size_bytes);
    from = cuts[i];
  }
  if (from < head.size()) reply.segments.push_back(head.subspan(from));
}

Status GrpcCodec::encode(const Response& response, Reply& reply) {
  reply.clear();
  return wire::guarded("ModelInferResponse", [&] { return impl_->encode(response, reply); });
}

}  // namespace penstock
