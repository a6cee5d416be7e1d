// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/sequence_rules.h"

namespace penstock {
namespace {

// The input that carries sequence ids; nullptr: the model has none.
const TensorSpec* id_control(const ModelPlan& plan) {
  for (const TensorSpec& spec : plan.inputs) {
    if (spec.source == TensorSource::kControl &&
        plan.sequence.controls[spec.source_index].kind == ControlKind::kCorrelationId) {
      return &spec;
    }
  }
  return nullptr;
}

std::string id_text(const Request& request) {
  const std::string& text = request.correlation_id_string;
  return text.empty() ? std::to_string(request.correlation_id) : text;
}

}  // namespace

Status check_sequence_request(const ModelPlan& plan, const Request& request) {
  const auto refuse = [&](const std::string& text) {
    return invalid_arg(request.tag_text() + text);
  };
  const std::string model = "inference request to model '" + plan.name + "' must specify ";
  if (request.batch_size != 1) {
    return refuse(model + "batch-size 1 due to requirements of sequence batcher");
  }
  if (!has_sequence_id(request)) {
    if (plan.sequence.iterative) return {};
    return refuse(model + "a non-zero or non-empty correlation ID");
  }
  const TensorSpec* control = id_control(plan);
  const bool is_text = !request.correlation_id_string.empty();
  if (control != nullptr && is_text != (control->type == DataType::kBytes)) {
    return refuse("sequence batching control '" + control->name + "' data-type is '" +
                  (is_text ? "BYTES" : "UINT64") + "', but model '" + plan.name + "' expects '" +
                  std::string(data_type_name(control->type)) + "'");
  }
  return {};
}

Status must_start(const ModelPlan& plan, const Request& request) {
  return invalid_arg(request.tag_text() + "inference request for sequence " + id_text(request) +
                     " to model '" + plan.name +
                     "' must specify the START flag on the first request of the sequence");
}

std::string started_anew(const ModelPlan& plan, const Request& request) {
  return "sequence " + id_text(request) + " of model '" + plan.name +
         "' was started anew before it had ended: what it was is dropped";
}

SequenceId sequence_id(const Request& request) {
  const std::string& text = request.correlation_id_string;
  if (!text.empty()) return {SequenceId::Space::kText, 0, text};
  return {SequenceId::Space::kNumber, request.correlation_id, {}};
}

void give_own_id(const ModelPlan& plan, std::uint64_t number, Request& request) {
  const TensorSpec* control = id_control(plan);
  if (control != nullptr && control->type == DataType::kBytes) {
    request.correlation_id_string = std::to_string(number);
  } else {
    request.correlation_id = number;
  }
  request.flags |= kSequenceStart;
}

}  // namespace penstock
