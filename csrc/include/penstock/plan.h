// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelPlan: what the core knows of a model version, compiled once at load, then immutable.
//
// It holds decisions, not configuration text: the control plane validates config.pbtxt with the
// contract's words and fills a plan. Thread safety: const after freeze(). Ownership: shared_ptr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock {

struct TensorSpec {
  std::string name;
  DataType type = DataType::kInvalid;
  Shape dims;                       // without the batch dimension; -1 is a wildcard
  std::optional<Shape> reshape;     // what the back end sees instead of dims (C-2)
  bool optional = false;            // C-3, inputs only
  bool allow_ragged_batch = false;  // C-4, inputs only
  bool is_shape_tensor = false;     // C-5
  std::vector<std::string> labels;  // outputs only, for classification (1.7)
};

enum class SchedulerKind : std::uint8_t { kDefault, kDynamic };
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
};

struct ModelPlan {
  std::string name;
  std::int64_t version = 1;
  std::int64_t max_batch_size = 0;  // 0: no batch dimension
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  SchedulerKind scheduler = SchedulerKind::kDefault;
  DynamicBatching dynamic;
  std::uint32_t instance_count = 1;
  // The most requests that may wait; a full queue is answered "Exceeds maximum queue size".
  std::uint32_t queue_capacity = 4096;
  bool decoupled = false;

  [[nodiscard]] bool batching() const { return max_batch_size > 0; }
  // Index by name, -1 when there is none.
  [[nodiscard]] int find_input(std::string_view name) const;
  [[nodiscard]] int find_output(std::string_view name) const;
  // What must hold whoever made the plan: unique names, known types, non-negative limits, ...
  [[nodiscard]] Status check() const;
};

}  // namespace penstock
