// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The codecs alone: one message decoded into a request, or one response encoded.
#include <benchmark/benchmark.h>

#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <vector>

#include "penstock/codec.h"

namespace penstock {

// What Engine does to a request's private parts.
class RequestTestPeer {
 public:
  static void bind(Request& request, const ModelPlan& plan) { request.plan_ = &plan; }
};

namespace {

constexpr std::int64_t kSmall = 16;
constexpr std::int64_t kImage = 3 * 224 * 224;

BufferLease lease_of(BufferPool& pool, const void* data, std::size_t size) {
  BufferLease lease = pool.acquire(size);
  std::memcpy(lease->data, data, size);
  return lease;
}

struct Bench {
  Bench() {
    plan.name = "identity";
    TensorSpec spec;
    spec.type = DataType::kFp32;
    spec.dims = Shape{-1};
    spec.name = "INPUT0";
    plan.inputs.push_back(spec);
    spec.name = "OUTPUT0";
    plan.outputs.push_back(spec);
    RequestTestPeer::bind(request, plan);
    request.response.request = &request;
  }

  void empty() {
    for (auto& input : request.inputs) input.lease.reset();
    request.inputs.clear();
    request.outputs.clear();
  }

  void answer(std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.37F * static_cast<float>(i);
    OutputTensor& output = request.response.outputs.append();
    output.spec = 0;
    output.lease = lease_of(pool, values.data(), values.size() * sizeof(float));
    output.view.type = DataType::kFp32;
    output.view.shape = Shape{count};
    output.view.data = output.lease->data;
    output.view.size_bytes = values.size() * sizeof(float);
  }

  BufferPool pool{make_page_allocator(), BufferPoolOptions{}};
  ModelPlan plan;
  Request request;
  HttpCodec http{pool};
  GrpcCodec grpc{pool};
  Reply reply;
};

std::string http_head(std::int64_t count, const std::string& rest) {
  return R"({"inputs":[{"name":"INPUT0","shape":[)" + std::to_string(count) +
         R"(],"datatype":"FP32",)" + rest + R"(}],"outputs":[{"name":"OUTPUT0"}]})";
}

void decode_http(benchmark::State& state, const std::string& json, const std::string& tensors,
                 bool binary) {
  Bench bench;
  const std::string body = json + tensors;
  const BufferLease owner = lease_of(bench.pool, body.data(), body.size());
  const std::optional<std::uint64_t> json_bytes =
      binary ? std::optional<std::uint64_t>(json.size()) : std::nullopt;
  for (auto _ : state) {
    bench.empty();
    const Status status =
        bench.http.decode({owner->data, body.size()}, json_bytes, owner, bench.request);
    if (!status.ok()) state.SkipWithError(status.message().c_str());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}

void HttpDecodeBinary(benchmark::State& state) {
  const std::string size = std::to_string(kSmall * 4);
  decode_http(state, http_head(kSmall, R"("parameters":{"binary_data_size":)" + size + "}"),
              std::string(kSmall * 4, '\1'), true);
}
BENCHMARK(HttpDecodeBinary);

void HttpDecodeJson(benchmark::State& state) {
  std::string data = "\"data\":[0.5";
  for (std::int64_t i = 1; i < state.range(0); ++i) {
    data += "," + std::to_string(0.37F * static_cast<float>(i));
  }
  decode_http(state, http_head(state.range(0), data + "]"), "", false);
}
BENCHMARK(HttpDecodeJson)->Arg(kSmall)->Arg(kImage);

void HttpEncode(benchmark::State& state) {
  Bench bench;
  bench.request.binary_data_output = state.range(1) != 0;
  bench.answer(state.range(0));
  for (auto _ : state) {
    const Status status = bench.http.encode(bench.request.response, bench.reply);
    if (!status.ok()) state.SkipWithError(status.message().c_str());
  }
}
BENCHMARK(HttpEncode)
    ->ArgNames({"floats", "binary"})
    ->Args({kSmall, 1})
    ->Args({kSmall, 0})
    ->Args({kImage, 0});

std::string grpc_message() {
  std::string message;
  protozero::pbf_writer writer(message);
  writer.add_string(1, "identity");
  {
    protozero::pbf_writer input(writer, 5);
    input.add_string(1, "INPUT0");
    input.add_string(2, "FP32");
    const std::int64_t dims[] = {kSmall};
    input.add_packed_int64(3, std::begin(dims), std::end(dims));
  }
  protozero::pbf_writer(writer, 6).add_string(1, "OUTPUT0");
  writer.add_bytes(7, std::string(kSmall * 4, '\1'));
  return message;
}

void GrpcDecodeRaw(benchmark::State& state) {
  Bench bench;
  const std::string message = grpc_message();
  const BufferLease owner = lease_of(bench.pool, message.data(), message.size());
  for (auto _ : state) {
    bench.empty();
    const Status status = bench.grpc.decode({owner->data, message.size()}, owner, bench.request);
    if (!status.ok()) state.SkipWithError(status.message().c_str());
  }
}
BENCHMARK(GrpcDecodeRaw);

void GrpcEncodeRaw(benchmark::State& state) {
  Bench bench;
  bench.answer(kSmall);
  for (auto _ : state) {
    const Status status = bench.grpc.encode(bench.request.response, bench.reply);
    if (!status.ok()) state.SkipWithError(status.message().c_str());
  }
}
BENCHMARK(GrpcEncodeRaw);

}  // namespace
}  // namespace penstock
