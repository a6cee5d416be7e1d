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
[[nodiscard]] std::string_view final_response_parameter();
// What stands before the bytes of ModelStreamInferResponse.infer_response.
void append_stream_head(std::string& out, std::uint64_t response_bytes);
// G-25: a whole ModelStreamInferResponse of a failed request. `id` is UTF-8.
void append_stream_error(std::string& out, std::string_view message, std::string_view id);

}  // namespace penstock::door
