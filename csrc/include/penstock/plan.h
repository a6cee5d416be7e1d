// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelPlan: what the core knows of a model version, compiled once at load, then immutable.
//
// It holds decisions, not configuration text: the control plane validates config.pbtxt with the
// contract's words and fills a plan. Thread safety: const after freeze(). Ownership: shared_ptr.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock {

// Who gives an input its value, and who sees an output (contract 2.4, 2.7).
enum class TensorSource : std::uint8_t {
  kClient,   // the request; the response
  kControl,  // the sequence batcher: ModelPlan::sequence.controls[source_index]
  kState,    // implicit state, never seen by clients: ModelPlan::sequence.states[source_index]
  kBatch,    // made from the batch's other inputs: ModelPlan::batch_inputs[source_index]
};

struct TensorSpec {
  std::string name;
  // Those of clients come first in ModelPlan::inputs and outputs.
  TensorSource source = TensorSource::kClient;
  std::uint32_t source_index = 0;
  DataType type = DataType::kInvalid;
  Shape dims;                       // without the batch dimension; -1 is a wildcard
  std::optional<Shape> reshape;     // what the back end sees instead of dims (C-2)
  bool optional = false;            // C-3, inputs only
  bool allow_ragged_batch = false;  // C-4, inputs only
  bool is_shape_tensor = false;     // C-5
  std::vector<std::string> labels;  // outputs only, for classification (1.7)

  // Whether the back end may have it in this shape. `batching`: behind the batch dimension.
  [[nodiscard]] bool allows(const Shape& backend, bool batching) const;
};

enum class SchedulerKind : std::uint8_t { kDefault, kDynamic, kDirect, kOldest, kEnsemble };
enum class TimeoutAction : std::uint8_t { kReject, kDelay };

struct QueuePolicy {  // S-7
  TimeoutAction timeout_action = TimeoutAction::kReject;
  std::uint64_t default_timeout_us = 0;
  bool allow_timeout_override = false;
  std::uint32_t max_queue_size = 0;  // 0: ModelPlan::queue_capacity bounds alone
};

struct DynamicBatching {
  std::vector<std::int64_t> preferred_batch_sizes;  // ascending; empty: {max_batch_size}
  std::uint64_t max_queue_delay_us = 0;
  bool preserve_ordering = false;
  QueuePolicy default_policy;
  // S-1. Levels are 1 (served first) to priority_levels; 0: there is but one, the default policy's.
  std::uint32_t priority_levels = 0;
  std::uint32_t default_priority_level = 0;
  std::vector<QueuePolicy> level_policies;  // one a level

  static constexpr std::uint32_t kMaxPriorityLevels = 1024;
};

enum class ControlKind : std::uint8_t { kStart, kReady, kEnd, kCorrelationId };

// 2.7: an input that tells the model where in its sequence a row is.
struct SequenceControl {
  ControlKind kind = ControlKind::kStart;
  // One element each, in the type of the input; not of kCorrelationId.
  std::array<std::byte, 4> false_value{};
  std::array<std::byte, 4> true_value{};
};

// C-20, C-21: what a sequence carries from one request to the next.
struct SequenceState {
  std::uint32_t input = 0;              // index in ModelPlan::inputs
  std::uint32_t output = 0;             // index in ModelPlan::outputs
  Shape initial_dims;                   // without the batch dimension, no wildcard
  std::vector<std::byte> initial_data;  // of the first request; as large as initial_dims say
  bool same_buffer = false;             // the new state may be written over the old one
};

struct SequenceBatching {
  std::uint64_t max_idle_us = 1'000'000;
  std::vector<SequenceControl> controls;
  std::vector<SequenceState> states;
  bool iterative = false;
  // direct
  double minimum_slot_utilization = 0;
  // direct and oldest
  std::uint64_t max_queue_delay_us = 0;
  // oldest
  std::uint32_t max_candidate_sequences = 0;
  std::vector<std::int64_t> preferred_batch_sizes;
  bool preserve_ordering = false;
};

enum class BatchInputKind : std::uint8_t {  // 2.4
  kElementCount,
  kAccumulatedElementCount,
  kAccumulatedElementCountWithZero,
  kMaxElementCountAsShape,
  kItemShape,
  kItemShapeFlatten,
};

// The value of an input with TensorSource::kBatch, whose dims are all that the back end sees.
struct BatchInput {
  BatchInputKind kind = BatchInputKind::kElementCount;
  std::uint32_t source_input = 0;  // index in ModelPlan::inputs
};

// BATCH_SCATTER_WITH_INPUT_SHAPE: a flat output is cut by the shapes of an input.
struct BatchOutput {
  std::uint32_t output = 0;        // index in ModelPlan::outputs
  std::uint32_t source_input = 0;  // index in ModelPlan::inputs
};

// 2.9. Names of the ensemble's tensors are resolved to numbers when the plan is made.
struct EnsembleStep {
  struct Mapping {
    std::string tensor;          // the step's model's
    std::uint32_t ensemble = 0;  // which of the ensemble's tensors
  };
  std::string model;
  std::int64_t version = -1;
  bool decoupled = false;  // the model may give any number of responses
  std::vector<Mapping> inputs;
  std::vector<Mapping> outputs;
};

struct Ensemble {
  // The ensemble's inputs in their order, its outputs in theirs, then what is in between.
  std::vector<std::string> tensors;
  std::vector<EnsembleStep> steps;
  std::uint32_t max_inflight_requests = 0;  // S-46; 0: no bound of its own
};

// 4.5: something that executing takes, of which there is so much.
struct InstanceResource {
  std::string name;
  std::uint32_t count = 0;
  bool global = false;  // one pool for the server, else one a device
};

struct InstanceLimit {
  std::vector<InstanceResource> resources;  // each once
  std::uint32_t priority = 1;               // it has every how manieth chance; 0 counts as 1
  std::int32_t device = 0;
};

// How much there is of a resource.
struct ResourceCount {
  std::string name;
  std::uint64_t count = 0;
  std::optional<std::int32_t> device;  // none: of each device, or of the server
};

struct ModelPlan {
  std::string name;
  std::int64_t version = 1;
  std::int64_t max_batch_size = 0;  // 0: no batch dimension
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // So many of the last ones come from the server: batch inputs, then those of sequences.
  std::uint32_t supplied_inputs = 0;
  std::uint32_t hidden_outputs = 0;  // so many of the last ones stay in the server
  SchedulerKind scheduler = SchedulerKind::kDefault;
  DynamicBatching dynamic;
  SequenceBatching sequence;             // kDirect, kOldest
  std::vector<BatchInput> batch_inputs;  // 2.4, one an input with TensorSource::kBatch
  std::vector<BatchOutput> batch_outputs;
  Ensemble ensemble;  // kEnsemble
  std::uint32_t instance_count = 1;
  // One an instance; empty: they run when they like. Read where the engine has a rate limiter.
  std::vector<InstanceLimit> instance_limits;
  // One an instance, or none at all: the GPU in whose memory its tensors are, -1: the host's.
  std::vector<std::int32_t> instance_devices;
  // The most requests that may wait; a full queue is answered "Exceeds maximum queue size".
  std::uint32_t queue_capacity = 4096;
  bool decoupled = false;
  // Contract 5.1, model.py: outputs, but those of states, go out as the model gave them, also where
  // the configuration says another type or shape.
  bool outputs_as_given = false;
  bool cached = false;  // 4.6: its answers may come from the engine's response cache
  // 2.10: instances wait for warm-ups, until the version is published.
  bool warm_up = false;
  // M-12: upper bounds in ms, ascending, of the histogram of first responses; empty: there is none.
  std::vector<double> first_response_bounds_ms;
  // M-13, M-14, M-17: how far the rank of a quantile may be off, as a part of all; 0: no summaries.
  double summary_error = 0;
  // The most responses of one request that its client has not taken yet; the model waits then.
  std::uint32_t response_capacity = 64;

  [[nodiscard]] bool batching() const { return max_batch_size > 0; }
  [[nodiscard]] bool sequences() const {
    return scheduler == SchedulerKind::kDirect || scheduler == SchedulerKind::kOldest;
  }
  // Whether any instance's tensors may be in a GPU's memory.
  [[nodiscard]] bool uses_devices() const;
  // Whether a request may have this input in a GPU's memory: nobody but the instances, all of which
  // are on GPUs, reads it.
  [[nodiscard]] bool takes_device_input(const TensorSpec& spec) const;
  // What clients give and get: the first so many.
  [[nodiscard]] std::size_t client_inputs() const { return inputs.size() - supplied_inputs; }
  [[nodiscard]] std::size_t client_outputs() const { return outputs.size() - hidden_outputs; }
  // Index by name among what clients give and get, -1 when there is none.
  [[nodiscard]] int find_input(std::string_view name) const;
  [[nodiscard]] int find_output(std::string_view name) const;
  // Index by name among what the model takes and gives, -1 when there is none.
  [[nodiscard]] int find_model_input(std::string_view name) const;
  [[nodiscard]] int find_model_output(std::string_view name) const;
  // Index among the states of the one that an output is the next value of, -1 when there is none.
  // Such an output is hidden unless the configuration lists it for clients as well (C-21).
  [[nodiscard]] int state_of_output(std::uint32_t output) const;
  // Whether an output has the type and the shape that the configuration says.
  [[nodiscard]] bool describes(std::uint32_t output, DataType type, const Shape& backend) const;
  // How a flat output is cut, nullptr when it is not one (2.4).
  [[nodiscard]] const BatchOutput* find_batch_output(std::uint32_t output) const;
  // What must hold whoever made the plan: unique names, known types, non-negative limits, ...
  [[nodiscard]] Status check() const;
};

}  // namespace penstock
