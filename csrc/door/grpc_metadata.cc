// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcConnection: metadata that the protocol does not look at (1.14, 1.15, T-22).
#include <array>
#include <string>

#include "door/grpc_connection.h"

namespace penstock::door {
namespace {

// gRPC's own, and what is not text.
bool is_metadata(std::string_view name) {
  constexpr std::array<std::string_view, 5> kOwn{"te", "content-type", "grpc-timeout",
                                                 "grpc-encoding", "grpc-accept-encoding"};
  if (name.starts_with(':') || name.ends_with("-bin")) return false;
  return std::find(kOwn.begin(), kOwn.end(), name) == kOwn.end();
}

}  // namespace

// G-32. What is passed on is looked at there.
bool GrpcConnection::admit(GrpcCall& call) {
  const HeaderRules& rules = context_.options.rules;
  const Rpc rpc = call.head.rpc;
  const bool infers = rpc == Rpc::kModelInfer || rpc == Rpc::kModelStreamInfer;
  const RequiredHeader& required = infers ? rules.for_inference : rules.for_health;
  if (rpc == Rpc::kPassOn || !required.set()) return true;
  call.head.fields.list(context_.fields);
  for (const H2Field& field : context_.fields) {
    if (required.named(field.name) && field.value == required.value) return true;
  }
  fail(call, GrpcStatus::kUnavailable,
       "This protocol is restricted, expecting header '" + required.name + "'");
  return false;
}

Status GrpcConnection::take_metadata(const GrpcCall& call, Request& request) {
  const HeaderRules& rules = context_.options.rules;
  if (!rules.forwarding && !rules.trace_context) return {};
  call.head.fields.list(context_.fields);
  for (const H2Field& field : context_.fields) {
    if (rules.trace_context && field.name == kTraceContext) request.trace_context = field.value;
    if (!rules.forwarding || !is_metadata(field.name)) continue;
    const auto taken = rules.forwarding->takes(field.name);
    if (!taken.ok()) return taken.status();
    if (taken.value()) forward_header(request, field.name, field.value);
  }
  return {};
}

}  // namespace penstock::door
