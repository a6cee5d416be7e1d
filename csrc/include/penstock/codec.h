// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HttpCodec, GrpcCodec: v2 messages to Requests and Responses to v2 messages, sans I/O.
//
// Both frontends and the native door call these, so that all of them answer alike. Thread safety: a
// codec has scratch memory, so one a thread. Ownership: decode makes tensors views of `body`, each
// holding `owner`; data that must be converted (JSON numbers, typed contents) goes to pool memory.
// encode fills a Reply whose segments borrow from the Reply and from the Response: release neither
// before they are sent. Nothing blocks; warm calls do not allocate from the system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/buffer.h"
#include "penstock/request.h"
#include "penstock/shared_regions.h"
#include "penstock/status.h"

namespace penstock {

using ByteSpan = std::span<const std::byte>;

struct CodecLimits {
  std::uint64_t max_input_bytes = 64 << 20;  // --http-max-input-size (H-25)
  std::uint32_t max_json_depth = 100;        // H-26
  std::uint32_t max_tensors = 1024;          // inputs, outputs: each
  std::uint32_t max_parameters = 1024;
};

// Bytes to send, in order; gather-write them or join them.
struct Reply {
  std::vector<ByteSpan> segments;
  std::size_t total_bytes = 0;
  std::size_t json_bytes = 0;  // HTTP: value of Inference-Header-Content-Length when has_binary
  bool has_binary = false;     // HTTP: a non-empty binary output follows the JSON
  std::string head;            // scratch that segments point into
  BufferLease extra;           // converted tensors (classification)
  void clear();
};

// How many responses a call can take: ModelInfer and HTTP's infer one, a stream and HTTP's generate
// any number.
enum class Answers : std::uint8_t { kOne, kMany };

class HttpCodec {
 public:
  // `regions` (may be null: none) must outlive the codec.
  explicit HttpCodec(BufferPool& pool, CodecLimits limits = {},
                     const SharedRegions* regions = nullptr);
  ~HttpCodec();
  // The body of POST .../infer, decompressed. `json_bytes` is the value of the request's
  // Inference-Header-Content-Length: nullopt = header absent, 0 = raw binary request (B-3). The
  // request is bound to its model. Errors: H-25, H-26, H-40..H-49, B-1, B-3.
  [[nodiscard]] Status decode(ByteSpan body, std::optional<std::uint64_t> json_bytes,
                              const BufferLease& owner, Request& request,
                              Answers answers = Answers::kOne);
  // A successful response (status OK). Errors: FP16/BF16 as JSON, classification (1.7), ...
  [[nodiscard]] Status encode(const Response& response, Reply& reply);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// {"error":"..."} with JSON escaping.
[[nodiscard]] std::string encode_http_error(std::string_view message);
// Value of Inference-Header-Content-Length: H-31 texts. `content_length` is the (decompressed)
// body.
[[nodiscard]] Result<std::uint64_t> parse_header_length(std::string_view value,
                                                        std::uint64_t content_length);
// Value of Penstock-Deadline-Ms: whole milliseconds.
[[nodiscard]] Result<std::uint64_t> parse_deadline_ms(std::string_view value);
// A model version as text (H-22): "" means latest, -1.
[[nodiscard]] Result<std::int64_t> parse_version(std::string_view text);

class GrpcCodec {
 public:
  // As HttpCodec's.
  explicit GrpcCodec(BufferPool& pool, CodecLimits limits = {},
                     const SharedRegions* regions = nullptr);
  ~GrpcCodec();
  struct Target {
    std::string_view model;  // borrowed from the message
    std::string_view version;
    std::string_view id;
  };
  // Reads just what is needed to bind; malformed protobuf is INVALID_ARG.
  [[nodiscard]] Status peek(ByteSpan message, Target& target);
  // A serialised ModelInferRequest; the request is bound. Errors: G-21, G-22, 1.8, C-7 types.
  [[nodiscard]] Status decode(ByteSpan message, const BufferLease& owner, Request& request,
                              Answers answers = Answers::kOne);
  // A serialised ModelInferResponse of a successful response.
  [[nodiscard]] Status encode(const Response& response, Reply& reply);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock
