// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <algorithm>

#include "core/served_model.h"
#include "penstock/engine.h"

namespace penstock {

Status SubmitBurst::submit(Request& request) {
  PENSTOCK_RETURN_IF_ERROR(engine_.queue(request));
  // The pin is the owner's to read until it releases the request, which is this thread.
  if (std::find(owed_.begin(), owed_.end(), request.model_) == owed_.end()) {
    owed_.push_back(request.model_);
  }
  return {};
}

void SubmitBurst::flush() {
  for (const auto& model : owed_) static_cast<ServedModel&>(*model).wake_instance();
  owed_.clear();
}

}  // namespace penstock
