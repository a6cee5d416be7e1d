// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The small protobuf messages (contract 1.16) that the door writes itself.
//
// Pure functions; thread safe; nothing blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::door {

// ServerLive, ServerReady, ModelReady: one bool, field 1.
[[nodiscard]] std::string_view ready_message(bool ready);
// grpc.health.v1: SERVING or NOT_SERVING.
[[nodiscard]] std::string_view health_message(bool serving);

// G-26: a response serialised behind this parameter has it; protobuf merges what is concatenated.
[[nodiscard]] std::string_view final_response_parameter(bool final);
// What stands before the bytes of ModelStreamInferResponse.infer_response.
void append_stream_head(std::string& out, std::uint64_t response_bytes);
// G-25. All but the message are UTF-8; model and version are empty when the model has not had it.
struct StreamError {
  std::string_view message;
  std::string_view id;
  std::string_view model;
  std::string_view version;
  bool final = true;
};
// A whole ModelStreamInferResponse.
void append_stream_error(std::string& out, const StreamError& error);

}  // namespace penstock::door
