// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Quantiles in bounded memory: within the error asked for, whatever the order of the values.
#include "core/quantile_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "core/latency_summaries.h"

namespace penstock {
namespace {

constexpr int kValues = 200'000;
constexpr double kQuantiles[] = {0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1};

std::vector<WeightedValue> sorted(const std::vector<const QuantileSketch*>& sketches) {
  std::vector<WeightedValue> values;
  for (const auto* sketch : sketches) sketch->add_to(values);
  std::sort(values.begin(), values.end(),
            [](const WeightedValue& a, const WeightedValue& b) { return a.value < b.value; });
  return values;
}

// Some of the ranks that the value has lies in [(q - error) * n, (q + error) * n].
void expect_within(const std::vector<WeightedValue>& kept, std::vector<std::uint64_t> all,
                   double error) {
  std::sort(all.begin(), all.end());
  const auto n = static_cast<double>(all.size());
  for (const double q : kQuantiles) {
    const auto value = static_cast<std::uint64_t>(quantile_of(kept, q));
    const auto range = std::equal_range(all.begin(), all.end(), value);
    ASSERT_NE(range.first, range.second) << "not a value that was observed: " << value;
    const auto lowest = static_cast<double>(range.first - all.begin()) + 1;
    const auto highest = static_cast<double>(range.second - all.begin());
    EXPECT_GE(highest, (q - error) * n) << q;
    EXPECT_LE(lowest, std::max(1.0, std::ceil(q * n)) + error * n) << q;
  }
}

struct Stream {
  const char* name;
  std::function<std::uint64_t(int)> value;
};

std::vector<Stream> streams() {
  auto random = std::make_shared<std::mt19937_64>(7);
  return {
      {"ascending", [](int i) { return static_cast<std::uint64_t>(i); }},
      {"descending", [](int i) { return static_cast<std::uint64_t>(kValues - i); }},
      {"zigzag", [](int i) { return static_cast<std::uint64_t>(i % 2 ? i : 2 * kValues - i); }},
      {"constant", [](int) { return std::uint64_t{42}; }},
      {"two values", [](int i) { return static_cast<std::uint64_t>(i % 1000 == 0 ? 900 : 3); }},
      {"uniform", [random](int) { return (*random)() % 1'000'000; }},
      {"long tail",
       [random](int) {
         return static_cast<std::uint64_t>(std::exp(std::normal_distribution<>(5, 2)(*random)));
       }},
      {"outside in",
       [](int i) { return static_cast<std::uint64_t>(i % 2 ? kValues * 2 - i / 2 : i / 2); }},
      {"inside out",
       [](int i) { return static_cast<std::uint64_t>(i % 2 ? kValues + i : kValues - i); }},
  };
}

TEST(QuantileSketch, IsWithinTheErrorWhateverTheOrder) {
  for (const double error : {0.05, 0.01, 0.001}) {
    for (const Stream& stream : streams()) {
      SCOPED_TRACE(std::string(stream.name) + " " + std::to_string(error));
      QuantileSketch sketch(error);
      std::vector<std::uint64_t> all;
      for (int i = 0; i < kValues; ++i) {
        all.push_back(stream.value(i));
        sketch.observe(static_cast<std::uint32_t>(all.back()));
      }
      const double doublings = std::log2(double{kValues} / static_cast<double>(sketch.run()));
      EXPECT_LE(sketch.kept(), sketch.run() * static_cast<std::size_t>(doublings + 2));
      expect_within(sorted({&sketch}), all, error);
    }
  }
}

TEST(QuantileSketch, SeveralTogetherAreAsExactAsOne) {
  constexpr double kError = 0.001;
  std::vector<QuantileSketch> parts(5, QuantileSketch(kError));
  std::vector<std::uint64_t> all;
  std::mt19937_64 random(3);
  for (int i = 0; i < kValues; ++i) {
    // Each part has its own range, and one has hardly anything.
    const auto part = std::min<std::size_t>(random() % 4001 / 1000, 4);
    all.push_back(part * 500 + random() % 1000);
    parts[part].observe(static_cast<std::uint32_t>(all.back()));
  }
  std::vector<const QuantileSketch*> sketches;
  for (const auto& part : parts) sketches.push_back(&part);
  expect_within(sorted(sketches), all, kError);
}

TEST(QuantileSketch, FewValuesAreExact) {
  QuantileSketch sketch(0.001);
  EXPECT_TRUE(std::isnan(quantile_of(sorted({&sketch}), 0.5)));
  for (const std::uint32_t value : {30u, 10u, 20u}) sketch.observe(value);
  EXPECT_EQ(quantile_of(sorted({&sketch}), 0), 10);
  EXPECT_EQ(quantile_of(sorted({&sketch}), 0.5), 20);
  EXPECT_EQ(quantile_of(sorted({&sketch}), 0.999), 30);
  sketch.clear();
  EXPECT_EQ(sketch.kept(), 0u);
}

double median(const LatencySummaries& summaries, std::int64_t now_ns) {
  std::vector<WeightedValue> values;
  summaries.add_to(Latency::kQueue, now_ns, values);
  std::sort(values.begin(), values.end(),
            [](const WeightedValue& a, const WeightedValue& b) { return a.value < b.value; });
  return quantile_of(values, 0.5);
}

TEST(LatencySummaries, ForgetWhatIsOlderThanAMinute) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  LatencySummaries summaries(0.01);
  summaries.observe(Latency::kQueue, 5'999, 0);  // M-31: cut to us
  EXPECT_EQ(median(summaries, 0), 5);
  EXPECT_EQ(median(summaries, 59 * kSecond), 5);
  EXPECT_TRUE(std::isnan(median(summaries, 60 * kSecond)));
  summaries.observe(Latency::kQueue, 9'000, 61 * kSecond);  // in the part that had the first one
  EXPECT_EQ(median(summaries, 61 * kSecond), 9);
  EXPECT_TRUE(std::isnan(median(summaries, 500 * kSecond)));
}

}  // namespace
}  // namespace penstock
