// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_head.h"

#include <array>
#include <charconv>

namespace penstock::door {
namespace {

struct Path {
  std::string_view path;
  Rpc rpc;
};

constexpr std::array<Path, 6> kPaths{{
    {"/inference.GRPCInferenceService/ModelInfer", Rpc::kModelInfer},
    {"/inference.GRPCInferenceService/ModelStreamInfer", Rpc::kModelStreamInfer},
    {"/inference.GRPCInferenceService/ServerLive", Rpc::kServerLive},
    {"/inference.GRPCInferenceService/ServerReady", Rpc::kServerReady},
    {"/inference.GRPCInferenceService/ModelReady", Rpc::kModelReady},
    {"/grpc.health.v1.Health/Check", Rpc::kHealthCheck},
}};

// application/grpc, application/grpc+proto, application/grpc;...; not application/grpc-web.
bool is_grpc(std::string_view content_type) {
  constexpr std::string_view kType = "application/grpc";
  if (!content_type.starts_with(kType)) return false;
  content_type.remove_prefix(kType.size());
  return content_type.empty() || content_type[0] == '+' || content_type[0] == ';';
}

// 0: there is no such unit.
std::int64_t unit_ns(char unit) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  switch (unit) {
    case 'H':
      return kSecond * 3600;
    case 'M':
      return kSecond * 60;
    case 'S':
      return kSecond;
    case 'm':
      return kSecond / 1000;
    case 'u':
      return kSecond / 1'000'000;
    case 'n':
      return 1;
    default:
      return 0;
  }
}

}  // namespace

Rpc find_rpc(std::string_view path) {
  for (const Path& known : kPaths) {
    if (path == known.path) return known.rpc;
  }
  return Rpc::kPassOn;
}

std::string_view rpc_name(Rpc rpc) {
  for (const Path& known : kPaths) {
    if (rpc == known.rpc) return known.path.substr(known.path.rfind('/') + 1);
  }
  return "";
}

std::optional<std::int64_t> parse_grpc_timeout(std::string_view text) {
  constexpr std::size_t kMostDigits = 8;
  if (text.size() < 2 || text.size() > kMostDigits + 1) return std::nullopt;
  const std::string_view digits = text.substr(0, text.size() - 1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  constexpr std::int64_t kMost = INT64_MAX / 2;  // so that it can be added to a time
  const std::int64_t unit = unit_ns(text.back());
  if (unit == 0) return std::nullopt;
  return value > kMost / unit ? kMost : value * unit;
}

std::optional<Encoding> parse_grpc_encoding(std::string_view name) {
  if (name == "identity") return Encoding::kIdentity;
  if (name == "gzip") return Encoding::kGzip;
  if (name == "deflate") return Encoding::kDeflate;
  return std::nullopt;
}

void GrpcHead::add(std::string_view name, std::string_view value) {
  if (name.starts_with(':')) {
    if (name == ":path") rpc = find_rpc(value);
    if (name == ":method") post = value == "POST";
    fields.add(name, value);  // :path need not come first
    return;
  }
  if (rpc == Rpc::kPassOn || keeps_fields) fields.add(name, value);
  add_known(name, value);
}

void GrpcHead::add_known(std::string_view name, std::string_view value) {
  if (name == "content-type") {
    grpc = is_grpc(value);
  } else if (name == "grpc-timeout") {
    timeout_ns = parse_grpc_timeout(value);
    bad_timeout = !timeout_ns.has_value();
  } else if (name == "grpc-encoding") {
    encoding = parse_grpc_encoding(value);
  } else if (name == "grpc-accept-encoding") {
    std::size_t from = 0;
    while (from <= value.size()) {
      const std::size_t comma = std::min(value.find(',', from), value.size());
      std::string_view item = value.substr(from, comma - from);
      while (item.starts_with(' ')) item.remove_prefix(1);
      while (item.ends_with(' ')) item.remove_suffix(1);
      accepts_gzip = accepts_gzip || item == "gzip";
      accepts_deflate = accepts_deflate || item == "deflate";
      from = comma + 1;
    }
  } else if (name == "triton_grpc_error") {
    close_on_error = value == "true";
  }
}

void GrpcHead::clear() {
  rpc = Rpc::kPassOn;
  post = grpc = bad_timeout = close_on_error = accepts_gzip = accepts_deflate = false;
  timeout_ns.reset();
  encoding = Encoding::kIdentity;
  fields.clear();
}

}  // namespace penstock::door
