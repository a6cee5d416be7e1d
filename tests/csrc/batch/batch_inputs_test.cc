// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Batch inputs of every kind (contract 2.4).
#include "batch/batch_inputs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <ostream>
#include <string>
#include <vector>

namespace penstock {
namespace {

using Kind = BatchInputKind;

struct Case {
  std::string name;
  Kind kind;
  std::vector<Shape> sources;
  bool batching;
  Shape shape;
  std::vector<std::int32_t> values;
};
void PrintTo(const Case& c, std::ostream* to) { *to << c.name; }

// The same of INT32 and of FP32.
template <typename T>
std::vector<T> written(const Case& c, DataType type, bool* fits = nullptr) {
  const auto count = element_count(batch_input_shape(c.kind, c.sources, c.batching)).value();
  std::vector<T> values(count + 1, T{77});
  const bool ok = write_batch_input(c.kind, type, c.sources, c.batching,
                                    reinterpret_cast<std::byte*>(values.data()));
  if (fits != nullptr) *fits = ok;
  EXPECT_EQ(values.back(), T{77});  // nothing behind the end
  values.pop_back();
  return values;
}

class BatchInputs : public ::testing::TestWithParam<Case> {};

TEST_P(BatchInputs, ShapeAndValues) {
  const Case& c = GetParam();
  EXPECT_EQ(batch_input_shape(c.kind, c.sources, c.batching), c.shape)
      << to_string(batch_input_shape(c.kind, c.sources, c.batching));
  bool fits = false;
  EXPECT_EQ(written<std::int32_t>(c, DataType::kInt32, &fits), c.values);
  EXPECT_TRUE(fits);
  EXPECT_EQ(written<float>(c, DataType::kFp32),
            std::vector<float>(c.values.begin(), c.values.end()));
}

const std::vector<Shape> kThree{Shape{1, 3}, Shape{1, 5}, Shape{2, 2}};
const std::vector<Shape> kOne{Shape{1, 4}};
const std::vector<Shape> kEmpty{Shape{1, 0}, Shape{0, 7}, Shape{1, 2}};
const std::vector<Shape> kPlanes{Shape{1, 2, 3}, Shape{2, 4, 5}};

INSTANTIATE_TEST_SUITE_P(
    EveryKind, BatchInputs,
    ::testing::Values(
        Case{"count", Kind::kElementCount, kThree, true, {3}, {3, 5, 4}},
        Case{"count_of_one", Kind::kElementCount, kOne, true, {1}, {4}},
        Case{"count_of_nothing", Kind::kElementCount, kEmpty, true, {3}, {0, 0, 2}},
        Case{"count_unbatched", Kind::kElementCount, {Shape{2, 3}}, false, {1}, {6}},
        Case{"sums", Kind::kAccumulatedElementCount, kThree, true, {3}, {3, 8, 12}},
        Case{"sums_of_nothing", Kind::kAccumulatedElementCount, kEmpty, true, {3}, {0, 0, 2}},
        Case{"sums_with_zero",
             Kind::kAccumulatedElementCountWithZero,
             kThree,
             true,
             {4},
             {0, 3, 8, 12}},
        Case{"sums_with_zero_of_one",
             Kind::kAccumulatedElementCountWithZero,
             kOne,
             true,
             {2},
             {0, 4}},
        Case{"most", Kind::kMaxElementCountAsShape, kThree, true, {5}, {0, 0, 0, 0, 0}},
        Case{"most_of_nothing", Kind::kMaxElementCountAsShape, {Shape{1, 0}}, true, {0}, {}},
        Case{"shapes", Kind::kItemShape, kThree, true, {4, 1}, {3, 5, 2, 2}},
        Case{"shapes_of_planes", Kind::kItemShape, kPlanes, true, {3, 2}, {2, 3, 4, 5, 4, 5}},
        Case{"shapes_of_nothing", Kind::kItemShape, kEmpty, true, {2, 1}, {0, 2}},
        Case{"shapes_unbatched", Kind::kItemShape, {Shape{2, 3}}, false, {1, 2}, {2, 3}},
        Case{"flat_shapes", Kind::kItemShapeFlatten, kPlanes, true, {6}, {2, 3, 4, 5, 4, 5}},
        Case{"flat_shapes_of_one", Kind::kItemShapeFlatten, kOne, true, {1}, {4}}),
    [](const auto& info) { return info.param.name; });

TEST(BatchInputs, CountsThatInt32HasNotAreToldOf) {
  const Case large{
      "", Kind::kAccumulatedElementCount, {Shape{1, 1 << 30}, Shape{2, 1 << 29}}, true, Shape{2},
      {}};
  bool fits = true;
  (void)written<std::int32_t>(large, DataType::kInt32, &fits);
  EXPECT_FALSE(fits);
  EXPECT_EQ(written<float>(large, DataType::kFp32, &fits),
            (std::vector<float>{1073741824.0F, 2147483648.0F}));
  EXPECT_TRUE(fits);
}

}  // namespace
}  // namespace penstock
