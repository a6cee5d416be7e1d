// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The report of a run, as one JSON object.
#pragma once

#include <cstdint>
#include <string>

#include "load/options.h"
#include "load/tally.h"

namespace penstock::load {

// `measured_ns`: from the end of the warm-up to the end of the last counted request.
std::string report(const Options& options, const Tally& tally, std::int64_t measured_ns);

}  // namespace penstock::load
