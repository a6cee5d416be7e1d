// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// OnnxSession: an ONNX Runtime session and what it cannot live without. Thread safety: run() of one
// session may be called by many threads at once; the rest is constant. Ownership: counted, by the
// model, its instances and every output that ONNX Runtime allocated. Creating it blocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/ort_api.h"
#include "penstock/native_backends.h"

namespace penstock {

class OnnxSession {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const OnnxSession>> create(
      std::shared_ptr<OnnxRuntime> runtime, const std::string& path,
      const OnnxModelOptions& options);
  ~OnnxSession() { api().release_session(session_); }
  OnnxSession(const OnnxSession&) = delete;
  OnnxSession& operator=(const OnnxSession&) = delete;

  [[nodiscard]] const ort::Api& api() const { return runtime_->api(); }
  // ONNX Runtime wants it mutable even where it only reads.
  [[nodiscard]] ort::Session* get() const { return session_; }
  [[nodiscard]] const std::string& arena_shrinkage() const { return arena_shrinkage_; }
  [[nodiscard]] const std::string& device_memory() const { return device_memory_; }
  // No thread but the caller's: ONNX Runtime spins until those of its pool have done their part.
  [[nodiscard]] bool works_alone() const { return works_alone_; }

 private:
  OnnxSession(std::shared_ptr<OnnxRuntime> runtime, ort::Session* session,
              const OnnxModelOptions& options)
      : runtime_(std::move(runtime)),
        session_(session),
        arena_shrinkage_(options.arena_shrinkage),
        device_memory_(options.device_memory),
        works_alone_(!runtime_->global_thread_pool() && options.intra_op_thread_count == 1 &&
                     options.execution_mode == 0 && options.providers.empty()) {}

  const std::shared_ptr<OnnxRuntime> runtime_;
  ort::Session* const session_;
  const std::string arena_shrinkage_;
  const std::string device_memory_;
  const bool works_alone_;
};

// The model's inputs (or outputs) as the session tells them.
[[nodiscard]] Status describe_inputs(const OnnxSession& session,
                                     std::vector<OnnxTensorInfo>& inputs);
[[nodiscard]] Status describe_outputs(const OnnxSession& session,
                                      std::vector<OnnxTensorInfo>& outputs);

// Adds an execution provider to session options; those added first are asked first. Fails with ONNX
// Runtime's words where the library has no such provider or the provider no such option.
[[nodiscard]] Status append_provider(const ort::Api& api, const OnnxProvider& provider,
                                     ort::SessionOptions* session_options);

// Fills session options from ours.
[[nodiscard]] Status apply_options(const ort::Api& api, const OnnxModelOptions& options,
                                   bool global_thread_pool, ort::SessionOptions* session_options);

}  // namespace penstock
