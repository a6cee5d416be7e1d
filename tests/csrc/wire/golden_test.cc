// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Bodies of the stock tritonclient, decoded, cut short at every byte, and damaged.
#include "wire/golden.h"

#include <random>

#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

constexpr std::size_t kHttpCases = 14 + 12 + 3 + 3;  // types as binary, as JSON, and the others
constexpr std::size_t kGrpcCases = 14 + 12 + 3 + 3;

class GoldenTest : public WireTest {
 protected:
  void check(const GoldenCase& golden, bool is_http) {
    SCOPED_TRACE(golden.name);
    plan_ = golden.plan();
    EXPECT_OK(is_http ? http(golden.body, golden.json_bytes) : grpc(golden.body));
    EXPECT_EQ(request_->id, "golden-1");
    ASSERT_EQ(request_->inputs.size(), golden.inputs.size());
    for (std::size_t i = 0; i < golden.inputs.size(); ++i) {
      const TensorView& view = input(i).view;
      EXPECT_EQ(input(i).spec, i);
      EXPECT_EQ(view.type, golden.inputs[i].type);
      EXPECT_EQ(view.shape, golden.inputs[i].shape);
      EXPECT_EQ(string_of(view), golden.inputs[i].data);
    }
    ASSERT_EQ(request_->parameters.size(), 2u);
    ASSERT_EQ(request_->outputs.size(), 1u);
    EXPECT_EQ(request_->outputs[0].spec, 0u);
    EXPECT_EQ(request_->outputs[0].binary, is_http && golden.json_bytes.has_value());
    EXPECT_OK(validate(*request_));
  }

  // Decoding may fail or not, but must do it in order.
  void decode_damaged(const GoldenCase& golden, const std::string& body, bool is_http) {
    const Status status = is_http ? http(body, golden.json_bytes) : grpc(body);
    if (!status.ok()) {
      EXPECT_FALSE(status.message().empty());
    } else {
      (void)validate(*request_);
    }
  }
};

TEST_F(GoldenTest, HttpBodiesGiveTheTensors) {
  const auto cases = golden_cases("golden_http.bin");
  EXPECT_EQ(cases.size(), kHttpCases);
  for (const GoldenCase& golden : cases) check(golden, true);
}

TEST_F(GoldenTest, GrpcMessagesGiveTheTensors) {
  const auto cases = golden_cases("golden_grpc.bin");
  EXPECT_EQ(cases.size(), kGrpcCases);
  for (const GoldenCase& golden : cases) check(golden, false);
}

TEST_F(GoldenTest, BinaryTensorsAreViewsOfTheBody) {
  for (const GoldenCase& golden : golden_cases("golden_http.bin")) {
    if (!golden.json_bytes) continue;
    plan_ = golden.plan();
    EXPECT_OK(http(golden.body, golden.json_bytes));
    for (const auto& tensor : request_->inputs) {
      EXPECT_EQ(tensor.lease.get(), owner_.get());
      EXPECT_GE(tensor.view.data, owner_->data);
    }
  }
}

TEST_F(GoldenTest, TargetIsReadWithoutDecoding) {
  const auto cases = golden_cases("golden_grpc.bin");
  const BufferLease message = exact_lease(cases.front().body);
  GrpcCodec::Target target;
  EXPECT_OK(grpc_->peek(span_of(message), target));
  EXPECT_EQ(target.model, "golden");
  EXPECT_EQ(target.version, "1");
  EXPECT_EQ(target.id, "golden-1");
}

// B-1, H-40: a body that ends early is refused wherever it ends.
TEST_F(GoldenTest, HttpBodiesCutShortAreRefused) {
  for (const GoldenCase& golden : golden_cases("golden_http.bin")) {
    plan_ = golden.plan();
    for (std::size_t size = 0; size < golden.body.size(); ++size) {
      const Status status = http(golden.body.substr(0, size), golden.json_bytes);
      ASSERT_FALSE(status.ok()) << golden.name << " cut to " << size;
      EXPECT_EQ(status.code(), Code::kInvalidArg);
      EXPECT_FALSE(status.message().empty());
    }
  }
}

// A message may end between two fields; what is then missing, others report.
TEST_F(GoldenTest, GrpcMessagesCutShortDoNoHarm) {
  std::size_t refused = 0;
  for (const GoldenCase& golden : golden_cases("golden_grpc.bin")) {
    plan_ = golden.plan();
    for (std::size_t size = 0; size < golden.body.size(); ++size) {
      const std::string body = golden.body.substr(0, size);
      const Status status = grpc(body);
      EXPECT_TRUE(status.ok() || status.code() == Code::kInvalidArg) << status.message();
      refused += status.ok() ? 0 : 1;
      GrpcCodec::Target target;
      (void)grpc_->peek(span_of(owner_), target);
    }
  }
  EXPECT_GT(refused, 3000u);
}

TEST_F(GoldenTest, DamagedMessagesDoNoHarm) {
  std::mt19937 random(20260101);
  for (const bool is_http : {true, false}) {
    for (const GoldenCase& golden : golden_cases(is_http ? "golden_http.bin" : "golden_grpc.bin")) {
      plan_ = golden.plan();
      for (int round = 0; round < 200; ++round) {
        std::string body = golden.body;
        for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
          body[random() % body.size()] = static_cast<char>(random());
        }
        decode_damaged(golden, body, is_http);
      }
    }
  }
}

}  // namespace
}  // namespace penstock::testing
