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

// Requests that complete to one ring.
struct Crowd {
  Crowd() : ring(waker) {
    for (auto& request : requests) {
      request.completion = &ring;
      request.response.request = &request;
      ordered.enter(request);
    }
  }
  void done(std::size_t first, std::size_t last) {
    std::vector<Request*> batch;
    for (std::size_t i = first; i < last; ++i) batch.push_back(&requests[i]);
    ordered.done(batch);
    take();
  }
  void take() {
    for (CompletionNode* node = ring.take_all(); node != nullptr; node = node->next) {
      const Request* request = static_cast<Response*>(node)->request;
      delivered.push_back(static_cast<std::size_t>(request - requests.data()));
    }
  }

  NoWaker waker;
  CompletionRing ring;
  std::array<Request, 10> requests;
  OrderedDelivery ordered;
  std::vector<std::size_t> delivered;
};

TEST(OrderedDeliveryTest, WhicheverIsDoneFirst) {  // S-6
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Crowd crowd;
    // Batches of one, two, three, ... requests, done in any order.
    const std::array<std::size_t, 5> begins{0, 1, 3, 6, 10};
    std::array<std::size_t, 4> orders{0, 1, 2, 3};
    std::shuffle(orders.begin(), orders.end(), random);
    for (const auto order : orders) crowd.done(begins[order], begins[order + 1]);
    std::vector<std::size_t> expected(10);
    std::iota(expected.begin(), expected.end(), 0);
    ASSERT_EQ(crowd.delivered, expected) << "round " << round;
  }
}

TEST(OrderedDeliveryTest, WhatIsSkippedHoldsNobodyUp) {
  Crowd crowd;
  crowd.done(1, 3);
  crowd.done(4, 5);
  EXPECT_TRUE(crowd.delivered.empty());
  crowd.ordered.skip(0);
  crowd.take();
  EXPECT_EQ(crowd.delivered, (std::vector<std::size_t>{1, 2}));
  crowd.ordered.skip(3);
  crowd.take();
  EXPECT_EQ(crowd.delivered, (std::vector<std::size_t>{1, 2, 4}));
  Request late;  // places are given out behind those that are held, also when the first are gone
  late.completion = &crowd.ring;
  late.response.request = &crowd.requests[0];  // stands for number 0
  crowd.ordered.enter(late);
  crowd.ordered.done(std::vector<Request*>{&late});
  crowd.done(5, 10);
  EXPECT_EQ(crowd.delivered, (std::vector<std::size_t>{1, 2, 4, 5, 6, 7, 8, 9, 0}));
}

}  // namespace
}  // namespace penstock
