// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Models that answer their inputs, and what must hold of every message for them: it is the client's
// error, or its tensors come out as they went in, whichever way they are written.
#pragma once

#include <simdjson.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "penstock/codec.h"
#include "promise.h"
#include "support/exact_lease.h"
#include "support/plans.h"
#include "support/requests.h"

namespace penstock::fuzz {

// Which model a request is for.
enum class Model : std::uint8_t { kEveryType, kBatching, kOneString, kOneFloat };
inline constexpr std::size_t kModelCount = 4;

inline ModelPlan plan_of(Model model) {
  ModelPlan plan;
  plan.name = "echo";
  if (model == Model::kOneString) {
    plan.inputs = {testing::tensor_spec("BYTES", DataType::kBytes, Shape{1})};
  } else if (model == Model::kOneFloat) {
    plan.inputs = {testing::tensor_spec("FP32", DataType::kFp32, Shape{2, -1})};
  } else {  // an input of each type, of its name
    for (int i = 1; i < kDataTypeCount; ++i) {
      const auto type = static_cast<DataType>(i);
      plan.inputs.push_back(
          testing::tensor_spec(std::string(data_type_name(type)), type, Shape{-1}));
      plan.inputs.back().optional = true;
    }
  }
  plan.max_batch_size = model == Model::kBatching ? 4 : 0;
  plan.outputs = plan.inputs;
  plan.outputs.front().labels = {"cat", "", "do\"g"};
  return plan;
}

// A request that is bound to a model, and its answer.
struct Exchange {
  explicit Exchange(const ModelPlan& plan) {
    RequestTestPeer::bind(request, plan);
    request.response.request = &request;
  }
  // The model's work.
  void answer() {
    for (const InputTensor& input : request.inputs) {
      if (!request.wants_output(input.spec)) continue;
      OutputTensor& output = request.response.outputs.append();
      output.spec = input.spec;
      output.view = input.view;
      output.lease = input.lease;
    }
    for (const Parameter& parameter : request.parameters) {
      request.response.parameters.append() = parameter;
    }
  }
  BufferLease body;  // borrowed by the tensors
  Request request;
};

class Echo {
 public:
  Echo() {
    for (std::size_t i = 0; i < kModelCount; ++i) plans_[i] = plan_of(static_cast<Model>(i));
  }
  void http(Model model, std::string_view body, std::optional<std::uint64_t> json_bytes) {
    const ModelPlan& plan = plans_[static_cast<std::size_t>(model)];
    {
      Exchange first(plan);
      if (decode_http(first, body, json_bytes)) {
        Reply reply;
        if (const Status status = http_.encode(first.request.response, reply); !status.ok()) {
          require_client_error(status);  // what was asked for cannot be said
        }
        require_segments(reply);
        for (const bool binary : {false, true}) require_http_round_trip(plan, first, binary);
      }
    }
    require(pool_.stats().in_use_bytes == 0, "the pool is whole again");
  }
  void grpc(Model model, std::string_view message);

 private:
  // False: it was refused.
  bool decode_http(Exchange& exchange, std::string_view body,
                   std::optional<std::uint64_t> json_bytes) {
    exchange.body = testing::exact_lease(body);
    return answered(exchange, http_.decode(testing::span_of(exchange.body), json_bytes,
                                           exchange.body, exchange.request));
  }
  bool decode_grpc(Exchange& exchange, std::string_view message) {
    exchange.body = testing::exact_lease(message);
    return answered(exchange,
                    grpc_.decode(testing::span_of(exchange.body), exchange.body, exchange.request));
  }
  static bool answered(Exchange& exchange, Status status) {
    if (status.ok()) status = validate(exchange.request);
    if (!status.ok()) {
      require_client_error(status);
      return false;
    }
    exchange.answer();
    return true;
  }
  static void require_segments(const Reply& reply) {
    std::size_t size = 0;
    for (const ByteSpan segment : reply.segments) size += segment.size();
    require(size == reply.total_bytes || reply.segments.empty(), "a reply is as long as it says");
  }
  // The answer, read as a request of the same tensors, is answered with the same bytes.
  void require_http_round_trip(const ModelPlan& plan, Exchange& exchange, bool binary) {
    constexpr std::string_view kOutputs = R"(,"outputs":[)";  // never in a string: a quote is \"
    exchange.request.outputs.clear();
    exchange.request.binary_data_output = binary;
    Reply reply;
    if (const Status status = http_.encode(exchange.request.response, reply); !status.ok()) {
      return require_client_error(status);  // FP16 as JSON
    }
    require_segments(reply);
    const std::string text = testing::text_of(reply);
    const std::string_view json = std::string_view(text).substr(0, reply.json_bytes);
    // Tensors may hold what is no text; then the JSON is none either.
    if (!simdjson::validate_utf8(json.data(), json.size())) return;
    std::string again = text;
    const std::size_t at = again.find(kOutputs);
    require(at != std::string::npos, "an answer has outputs");
    again.replace(at, kOutputs.size(), R"(, "inputs":[)");
    Exchange second(plan);
    const auto json_bytes = reply.json_bytes;  // both words have as many letters
    require(decode_http(second, again, binary ? std::optional(json_bytes) : std::nullopt),
            "an answer is a request");
    second.request.binary_data_output = binary;
    Reply second_reply;
    require(http_.encode(second.request.response, second_reply).ok(), "it is answered as well");
    require(testing::text_of(second_reply) == text, "with the same bytes");
  }

  BufferPool pool_{make_page_allocator(), BufferPoolOptions{}};
  HttpCodec http_{pool_};
  GrpcCodec grpc_{pool_};
  std::array<ModelPlan, kModelCount> plans_;
};

}  // namespace penstock::fuzz
