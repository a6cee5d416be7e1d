// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/model_pin.h"

#include "core/served_model.h"

namespace penstock {

ModelPin::~ModelPin() {
  if (model_) model_->unpin();
}

void ModelPin::bind(Request& request) const { model_->enter_pinned(request); }

}  // namespace penstock
