// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The ONNX Runtime back end beside bare calls of its C library, on one tiny model (16 -> 32 -> 10),
// in us a batch. Aim: execute() <= 1 us above the bare call. The library is named by
// PENSTOCK_TEST_ORT_LIBRARY, else taken from the project's virtual environment.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "backends/ort_api.h"
#include "penstock/native_backends.h"

namespace penstock {

class RequestTestPeer {
 public:
  static void set_plan(Request& request, const ModelPlan& plan) { request.plan_ = &plan; }
};

namespace {

constexpr std::int64_t kIn = 16;
constexpr std::int64_t kOut = 10;

ModelPlan mlp_plan() {
  ModelPlan plan;
  plan.name = "mlp";
  plan.max_batch_size = 64;
  TensorSpec input;
  input.name = "INPUT0";
  input.type = DataType::kFp32;
  input.dims = {kIn};
  plan.inputs.push_back(input);
  TensorSpec output;
  output.name = "OUTPUT0";
  output.type = DataType::kFp32;
  output.dims = {kOut};
  plan.outputs.push_back(output);
  return plan;
}

// Dies with the words of what failed: a benchmark without its library measures nothing.
template <typename T>
T must(Result<T> result) {
  if (result.ok()) return std::move(result.value());
  std::fprintf(stderr, "%s\n", result.status().message().c_str());
  std::exit(1);
}

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

std::shared_ptr<OnnxRuntime> runtime() {
  static const std::shared_ptr<OnnxRuntime> shared = [] {
    OnnxRuntimeOptions options;
    const char* path = std::getenv("PENSTOCK_TEST_ORT_LIBRARY");
    options.library = path != nullptr ? path : PENSTOCK_DEFAULT_ORT_LIBRARY;
    return must(OnnxRuntime::open(options));
  }();
  return shared;
}

const char* model_file() { return PENSTOCK_BENCH_DATA "/mlp.onnx"; }

// Arg: rows. Range 1: 0 = values made once, 1 = values made for every call, as a server must.
void bare_call(benchmark::State& state) {
  const auto rows = state.range(0);
  const ort::Api& api = runtime()->api();
  ort::SessionOptions* options = nullptr;
  ort::Session* session = nullptr;
  ort::MemoryInfo* memory = nullptr;
  must(api.check(api.create_session_options(&options)));
  must(api.check(api.set_intra_op_num_threads(options, 1)));
  must(api.check(api.create_session(runtime()->env(), model_file(), options, &session)));
  must(api.check(api.create_cpu_memory_info(0, 0, &memory)));
  std::vector<float> in(static_cast<std::size_t>(rows * kIn), 1);
  std::vector<float> out(static_cast<std::size_t>(rows * kOut));
  const std::int64_t in_dims[] = {rows, kIn};
  const std::int64_t out_dims[] = {rows, kOut};
  const char* in_name = "INPUT0";
  const char* out_name = "OUTPUT0";
  ort::Value* in_value = nullptr;
  ort::Value* out_value = nullptr;
  const auto make_values = [&] {
    must(api.check(
        api.create_tensor_with_data(memory, in.data(), in.size() * 4, in_dims, 2, 1, &in_value)));
    must(api.check(api.create_tensor_with_data(memory, out.data(), out.size() * 4, out_dims, 2, 1,
                                               &out_value)));
  };
  const auto free_values = [&] {
    api.release_value(in_value);
    api.release_value(out_value);
  };
  const bool every_call = state.range(1) != 0;
  if (!every_call) make_values();
  for (auto _ : state) {
    if (every_call) make_values();
    must(api.check(api.run(session, nullptr, &in_name, &in_value, 1, &out_name, 1, &out_value)));
    if (every_call) free_values();
  }
  if (!every_call) free_values();
  api.release_memory_info(memory);
  api.release_session(session);
  api.release_session_options(options);
}
BENCHMARK(bare_call)
    ->Name("onnx/bare_call")
    ->ArgNames({"rows", "values_every_call"})
    ->ArgsProduct({{1, 16}, {0, 1}});

// What of a request's round is not the back end's: fill the batch, clear the answers.
void round(Batch& batch, std::deque<Request>& requests, const ModelPlan& plan, BufferPool& pool,
           const Clock& clock, NativeInstance* instance) {
  batch.begin(plan, pool, clock);
  for (auto& request : requests) batch.add(&request);
  if (instance != nullptr) instance->execute(batch);
  for (auto& request : requests) {
    must(request.response.status);
    for (auto& output : request.response.outputs) output.lease.reset();
    request.response.outputs.clear();
  }
  batch.clear();
}

// Args: requests in the batch, rows of each, whether the instance runs (0: the harness alone).
void execute(benchmark::State& state) {
  OnnxModelOptions options;
  options.intra_op_thread_count = 1;
  auto model = must(OnnxModel::load(runtime(), model_file(), options));
  const ModelPlan plan = mlp_plan();
  auto instance = must(model->create_instance(plan));
  BufferPool pool(make_page_allocator(), {});
  const RealClock clock;
  std::vector<float> in(static_cast<std::size_t>(state.range(1) * kIn), 1);
  std::deque<Request> requests(static_cast<std::size_t>(state.range(0)));
  for (auto& request : requests) {
    RequestTestPeer::set_plan(request, plan);
    TensorView& view = request.add_input("INPUT0")->view;
    view.type = DataType::kFp32;
    view.shape = {state.range(1), kIn};
    view.data = reinterpret_cast<const std::byte*>(in.data());
    view.size_bytes = in.size() * 4;
    must(validate(request));
  }
  Batch batch;
  NativeInstance* run = state.range(2) != 0 ? instance.get() : nullptr;
  for (auto _ : state) round(batch, requests, plan, pool, clock, run);
  state.counters["pool_system_allocs"] = static_cast<double>(pool.stats().system_allocs);
}
BENCHMARK(execute)
    ->Name("onnx/execute")
    ->ArgNames({"requests", "rows", "run"})
    ->Args({1, 1, 1})
    ->Args({1, 16, 1})
    ->Args({16, 1, 1})
    ->Args({1, 1, 0})
    ->Args({16, 1, 0});

}  // namespace
}  // namespace penstock
