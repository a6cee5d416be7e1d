// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcHead: what the header fields of a call say, by whole names.
//
// Only what the door answers itself is looked at closely; the fields of a call that is passed on
// are kept as they came. Thread safety: none, a call's. Ownership: copies. Nothing blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "door/compression.h"
#include "door/h2_fields.h"

namespace penstock::door {

enum class Rpc : std::uint8_t {
  kPassOn,
  kModelInfer,
  kModelStreamInfer,
  kServerLive,
  kServerReady,
  kModelReady,
  kHealthCheck,
};

// By the whole path.
[[nodiscard]] Rpc find_rpc(std::string_view path);
// "ModelInfer": what stands behind the last slash.
[[nodiscard]] std::string_view rpc_name(Rpc rpc);
// The value of grpc-timeout in ns: up to eight digits and a unit (H M S m u n).
[[nodiscard]] std::optional<std::int64_t> parse_grpc_timeout(std::string_view text);
// One element of grpc-encoding or grpc-accept-encoding.
[[nodiscard]] std::optional<Encoding> parse_grpc_encoding(std::string_view name);

class GrpcHead {
 public:
  void add(std::string_view name, std::string_view value);
  void clear();
  Rpc rpc = Rpc::kPassOn;
  bool post = false;
  bool grpc = false;  // by its content type
  bool bad_timeout = false;
  bool close_on_error = false;                             // triton_grpc_error: true (G-25)
  std::optional<std::int64_t> timeout_ns;                  // grpc-timeout
  std::optional<Encoding> encoding = Encoding::kIdentity;  // nullopt: one that we have not
  bool accepts_gzip = false;
  bool accepts_deflate = false;

  bool keeps_fields = false;  // also of a call that is answered here; stays set

  H2FieldList fields;  // all of a call that is passed on, in the order in which they came

 private:
  void add_known(std::string_view name, std::string_view value);
};

}  // namespace penstock::door
