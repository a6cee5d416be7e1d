// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The back ends that are compiled in: identity, and ONNX Runtime through its C library.
//
// A loaded model makes NativeInstances, each run by one thread of the engine. Thread safety:
// OnnxRuntime and OnnxModel may be used from any thread; an instance belongs to one thread at a
// time. Ownership: an instance, and every output still leased, keeps its session and runtime alive.
// Loading a model, creating an instance and execute() may block; nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "penstock/backend.h"
#include "penstock/plan.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock {

// ---- identity (contract 5.4) ----

struct IdentityOptions {
  double execute_delay_ms = 0;  // every batch takes at least this long; capped at one hour
};

// INPUT<n> -> OUTPUT<n> by the digits that end the names, or by position when those do not pair up.
std::unique_ptr<NativeInstance> make_identity_instance(IdentityOptions options);
// What a loader should ask first: as many outputs as inputs, pairwise of the same type and shape.
[[nodiscard]] Status check_identity_plan(const ModelPlan& plan);

// ---- onnxruntime (contract 5.2) ----

// Severities: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal. Called on any thread.
using OnnxLog = std::function<void(int severity, std::string_view message)>;

struct OnnxRuntimeOptions {
  std::string library;              // path of libonnxruntime.so*
  bool global_thread_pool = false;  // one pool for all models; their thread counts are ignored
  int intra_op_threads = 0;         // of the global pool; 0: ONNX Runtime's choice
  int inter_op_threads = 0;
  OnnxLog log;           // none: quiet (failures are in the Status anyway)
  int log_severity = 2;  // least severe message that reaches `log`
};

namespace ort {
struct Api;
struct Env;
}  // namespace ort

// An execution provider and its options, by ONNX Runtime's names: "CUDA", "TensorRT", or whatever
// else the library knows.
struct OnnxProvider {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
};

// The opened library and its environment. ONNX Runtime has one environment a process, so open one.
class OnnxRuntime {
 public:
  // The library is never closed again: its threads and statics do not survive that.
  [[nodiscard]] static Result<std::shared_ptr<OnnxRuntime>> open(OnnxRuntimeOptions options);
  ~OnnxRuntime();
  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;

  [[nodiscard]] const std::string& version() const;
  [[nodiscard]] bool global_thread_pool() const;
  // Whether sessions can have the provider with these options; INTERNAL with ONNX Runtime's words.
  [[nodiscard]] Status check_provider(const OnnxProvider& provider) const;
  // For the sources of this room.
  [[nodiscard]] const ort::Api& api() const;
  [[nodiscard]] ort::Env* env() const;

 private:
  OnnxRuntime();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct OnnxModelOptions {
  std::int32_t graph_level = 0;            // -1 basic, 0 all, 1 extended, 2 disabled
  std::int32_t intra_op_thread_count = 0;  // 0: ONNX Runtime's choice
  std::int32_t inter_op_thread_count = 0;
  std::int32_t execution_mode = 0;  // 0 sequential, 1 parallel
  bool enable_mem_arena = true;
  bool enable_mem_pattern = true;
  std::string arena_shrinkage;         // devices to shrink after every run, as "cpu:0"
  std::string device_memory = "Cuda";  // ONNX Runtime's name of the memory of a batch's device
  std::vector<std::string> custom_op_libraries;
  std::vector<OnnxProvider> providers;  // asked first to last; the CPU comes after them
  std::vector<std::pair<std::string, std::string>> session_config;  // session.* entries, in order

  // One setting by its name in a configuration: the `parameters` of contract 5.2, any session.*
  // key, "optimization.graph.level", "op_library_filename" (which add up). INVALID_ARG names the
  // key and the value.
  [[nodiscard]] Status set(std::string_view key, std::string_view value);
};

struct OnnxTensorInfo {
  std::string name;
  DataType type = DataType::kInvalid;  // kInvalid: the protocol has no such type
  std::string onnx_type;               // "tensor(float)", "sequence", ...: for messages
  bool rank_known = false;
  Shape dims;  // all dimensions, the batch's too; -1 where unknown or symbolic
};

class OnnxSession;

// A loaded session, shared by its instances.
class OnnxModel {
 public:
  // Errors: INTERNAL with ONNX Runtime's own words for what it cannot load; INVALID_ARG and
  // UNSUPPORTED for options.
  [[nodiscard]] static Result<std::shared_ptr<OnnxModel>> load(std::shared_ptr<OnnxRuntime> runtime,
                                                               const std::string& path,
                                                               const OnnxModelOptions& options);
  [[nodiscard]] const std::vector<OnnxTensorInfo>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<OnnxTensorInfo>& outputs() const { return outputs_; }
  // Checks the plan against the model (contract 5.2, load checks) first.
  [[nodiscard]] Result<std::unique_ptr<NativeInstance>> create_instance(const ModelPlan& plan);

 private:
  OnnxModel() = default;
  std::shared_ptr<const OnnxSession> session_;
  std::vector<OnnxTensorInfo> inputs_;
  std::vector<OnnxTensorInfo> outputs_;
};

}  // namespace penstock
