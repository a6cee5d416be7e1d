// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/ordered_delivery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <vector>

namespace penstock {
namespace {

class NoWaker final : public Waker {
 public:
  void wake() noexcept override {}
};

TEST(OrderedDeliveryTest, WhicheverIsDoneFirst) {  // S-6
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    NoWaker waker;
    CompletionRing ring(waker);
    std::array<Request, 12> requests;
    for (auto& request : requests) {
      request.completion = &ring;
      request.response.request = &request;
    }
    // Batches of one, two, three, ... requests, done in any order.
    const std::array<std::size_t, 5> begins{0, 1, 3, 6, 10};
    std::array<std::uint64_t, 4> orders{0, 1, 2, 3};
    std::shuffle(orders.begin(), orders.end(), random);
    OrderedDelivery ordered;
    std::vector<std::size_t> delivered;
    for (const auto order : orders) {
      std::vector<Request*> batch;
      for (std::size_t i = begins[order]; i < begins[order + 1]; ++i) batch.push_back(&requests[i]);
      ordered.done(order, batch);
      for (CompletionNode* node = ring.take_all(); node != nullptr; node = node->next) {
        const Request* request = static_cast<Response*>(node)->request;
        delivered.push_back(static_cast<std::size_t>(request - requests.data()));
      }
    }
    std::vector<std::size_t> expected(10);
    std::iota(expected.begin(), expected.end(), 0);
    ASSERT_EQ(delivered, expected) << "round " << round;
  }
}

}  // namespace
}  // namespace penstock
