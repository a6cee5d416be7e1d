// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// The gRPC door under the load generator: what the sanitizers watch is what the benchmarks measure.
#include <gtest/gtest.h>

#include "door/grpc_door_fixture.h"
#include "load/worker.h"

namespace penstock::door::testing {
namespace {

TEST_F(GrpcDoorTest, ServesTheLoadGenerator) {
  load::Options options;
  options.host = "127.0.0.1";
  options.port = std::to_string(port);
  options.protocol = load::Protocol::kGrpc;
  options.connections = 8;
  options.streams = 4;
  options.requests = 20'000;
  options.path = "/inference.GRPCInferenceService/ModelInfer";
  options.body = infer_request("m");
  const load::Target target(options);
  load::Worker worker(target, 0);
  worker.connect();
  worker.run(load::now_ns());
  EXPECT_EQ(worker.tally().answered(), options.requests) << worker.tally().first_error;
  EXPECT_EQ(worker.tally().failed(), 0u);
}

}  // namespace
}  // namespace penstock::door::testing
