// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// OnnxInstance: runs batches on an OnnxSession.
//
// Inputs are handed over where they lie, on the host or on the instance's GPU. An output whose size
// is known before the run is written straight into memory of the engine's pool there; any other is
// allocated by ONNX Runtime and travels to the client inside a lease that owns it. Thread safety:
// one thread at a time. Ownership: shares the session; arrays are sized once, so that a warm batch
// allocates only what ONNX Runtime does. execute() blocks for the run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/onnx_match.h"
#include "backends/onnx_session.h"
#include "backends/ort_api.h"

namespace penstock {

class OnnxInstance final : public NativeInstance {
 public:
  [[nodiscard]] static Result<std::unique_ptr<NativeInstance>> create(
      std::shared_ptr<const OnnxSession> session, const ModelPlan& plan,
      const OnnxBindings& bindings);
  ~OnnxInstance() override;

  void execute(Batch& batch) override;
  [[nodiscard]] Worker worker() const override {
    return session_->works_alone() ? Worker::kThread : Worker::kThreads;
  }

 private:
  struct Input {
    std::string name;
    DataType type;
    int element_type;
    bool scalar;
  };
  struct Output {
    std::string name;
    DataType type;
    int element_type;
    bool scalar;
    bool size_known;  // but for the batch dimension, if there is one
    Shape shape;      // complete when size_known; else what the model says
  };

  OnnxInstance(std::shared_ptr<const OnnxSession> session, const ModelPlan& plan,
               const OnnxBindings& bindings);
  [[nodiscard]] Status prepare();  // what can fail of construction

  [[nodiscard]] Status answer(Batch& batch);
  [[nodiscard]] Status bind_input(Batch& batch, std::uint32_t spec);
  [[nodiscard]] Status align(Batch& batch, const TensorSpec& spec, TensorView& view);
  [[nodiscard]] Status bind_output(Batch& batch, std::uint32_t spec);
  [[nodiscard]] Status hand_out(Batch& batch, std::size_t position);
  [[nodiscard]] Status copy_out(Batch& batch, const Output& output, TensorView& view,
                                BufferLease& lease);
  // The value's shape as the batch sees it, and its bytes; `value` keeps them alive.
  [[nodiscard]] Status view_value(ort::Value* value, const Output& output, TensorView& view);
  [[nodiscard]] Status create_value(const TensorView& view, int element_type, bool scalar,
                                    ort::Value** value);
  // ---- onnx_device.cc, for an instance whose tensors are in a GPU's memory ----
  [[nodiscard]] Status prepare_device(std::int32_t device);
  [[nodiscard]] ort::Error* run();
  [[nodiscard]] ort::Error* run_bound();
  [[nodiscard]] ort::Error* bind_all();
  [[nodiscard]] ort::Error* take_bound();
  void clear();

  const std::shared_ptr<const OnnxSession> session_;
  const ort::Api& api_;
  const bool batching_;
  std::vector<Input> inputs_;    // by spec
  std::vector<Output> outputs_;  // by spec
  ort::MemoryInfo* memory_info_ = nullptr;
  ort::RunOptions* run_options_ = nullptr;  // null: ONNX Runtime's defaults
  // Null until the first batch of a device.
  ort::MemoryInfo* device_info_ = nullptr;
  ort::IoBinding* binding_ = nullptr;

  // The batch at hand; emptied by clear().
  struct Wanted {
    std::uint32_t spec;
    TensorView view;    // set when bound before the run
    BufferLease lease;  // of that view
  };
  std::vector<const char*> input_names_;
  std::vector<ort::Value*> input_values_;
  std::vector<std::span<const std::byte>> input_bytes_;
  std::vector<BufferLease> aligned_;
  std::vector<Wanted> wanted_;
  std::vector<const char*> output_names_;
  std::vector<ort::Value*> output_values_;
  std::vector<std::size_t> string_offsets_;
};

}  // namespace penstock
