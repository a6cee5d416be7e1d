// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// The HTTP door under the load generator: what the sanitizers watch is what the benchmarks measure.
#include <gtest/gtest.h>

#include "door/http_fixture.h"
#include "load/worker.h"

namespace penstock::door::testing {
namespace {

TEST_F(HttpDoorTest, ServesTheLoadGenerator) {
  open();
  gate_.open();
  const std::string json = infer_json(16);
  load::Options options;
  options.unix_path = path();
  options.connections = 32;
  options.requests = 20'000;
  options.path = "/v2/models/m/infer";
  options.headers = {{"Inference-Header-Content-Length", std::to_string(json.size())}};
  options.body = json + floats(16);
  const load::Target target(options);
  load::Worker worker(target, 0);
  worker.connect();
  worker.run(load::now_ns());
  EXPECT_EQ(worker.tally().answered(), options.requests) << worker.tally().first_error;
  EXPECT_EQ(worker.tally().failed(), 0u);
}

}  // namespace
}  // namespace penstock::door::testing
