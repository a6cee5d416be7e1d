// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What a request to a sequence model must say (S-20, S-21, S-32, C-22). Pure; thread safe.
#pragma once

#include <cstdint>
#include <string>

#include "penstock/plan.h"
#include "penstock/request.h"
#include "penstock/status.h"
#include "sched/sequence_table.h"

namespace penstock {

[[nodiscard]] inline bool has_sequence_id(const Request& request) {
  return request.correlation_id != 0 || !request.correlation_id_string.empty();
}

// INVALID_ARG, with the request's tag, for what no state of the table can mend.
[[nodiscard]] Status check_sequence_request(const ModelPlan& plan, const Request& request);
// S-21.
[[nodiscard]] Status must_start(const ModelPlan& plan, const Request& request);
// what the log says of a START amid a sequence.
[[nodiscard]] std::string started_anew(const ModelPlan& plan, const Request& request);
[[nodiscard]] SequenceId sequence_id(const Request& request);
// S-31: an id for a request that has none, which makes it a sequence of its own.
void give_own_id(const ModelPlan& plan, std::uint64_t number, Request& request);

}  // namespace penstock
