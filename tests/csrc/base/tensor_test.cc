// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/tensor.h"

#include <gtest/gtest.h>

#include "penstock/status.h"

namespace penstock {
namespace {

TEST(DataTypeTest, NamesRoundTrip) {
  for (int i = 1; i < kDataTypeCount; ++i) {
    const auto type = static_cast<DataType>(i);
    EXPECT_EQ(parse_data_type(data_type_name(type)), type);
  }
  EXPECT_EQ(parse_data_type("FP31"), DataType::kInvalid);
  EXPECT_EQ(parse_data_type(""), DataType::kInvalid);
  EXPECT_EQ(parse_data_type("fp32"), DataType::kInvalid);
}

TEST(DataTypeTest, SizesAreTheContracts) {
  EXPECT_EQ(element_size(DataType::kBool), 1u);
  EXPECT_EQ(element_size(DataType::kBf16), 2u);
  EXPECT_EQ(element_size(DataType::kInt32), 4u);
  EXPECT_EQ(element_size(DataType::kFp64), 8u);
  EXPECT_EQ(element_size(DataType::kBytes), 0u);
}

TEST(ShapeTest, PushAndPop) {
  Shape shape{3, 4};
  EXPECT_TRUE(shape.try_push_front(2));
  EXPECT_EQ(shape, (Shape{2, 3, 4}));
  shape.pop_front();
  EXPECT_EQ(shape, (Shape{3, 4}));
  EXPECT_EQ(to_string(shape), "[3,4]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(ShapeTest, RefusesMoreThanItHolds) {
  Shape shape;
  for (std::size_t i = 0; i < Shape::kMaxRank; ++i) EXPECT_TRUE(shape.try_push_back(1));
  EXPECT_FALSE(shape.try_push_back(1));
  EXPECT_FALSE(shape.try_push_front(1));
  EXPECT_EQ(shape.rank(), Shape::kMaxRank);
}

struct CountCase {
  Shape shape;
  std::optional<std::uint64_t> count;
};

// The dims of reliability 3.A4 that a shape can hold.
TEST(ShapeTest, ElementCountIsChecked) {
  const std::int64_t big = std::int64_t{1} << 32;
  const CountCase cases[] = {
      {Shape{}, 1},
      {Shape{0}, 0},
      {Shape{2, 3}, 6},
      {Shape{-1}, std::nullopt},
      {Shape{-1, 0}, std::nullopt},
      {Shape{INT64_MAX}, static_cast<std::uint64_t>(INT64_MAX)},
      {Shape{INT64_MAX, 2}, std::nullopt},
      {Shape{big, big}, std::nullopt},
      {Shape{big, big, 0}, 0},
      {Shape{(std::int64_t{1} << 60) + 2, 16}, std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(element_count(c.shape), c.count) << to_string(c.shape);
}

TEST(ShapeTest, ByteSizeIsChecked) {
  EXPECT_EQ(byte_size(DataType::kFp32, Shape{2, 3}), 24u);
  EXPECT_EQ(byte_size(DataType::kFp64, Shape{INT64_MAX}), std::nullopt);
  EXPECT_EQ(byte_size(DataType::kBytes, Shape{2}), std::nullopt);
}

TEST(CheckedTest, SaysNoInsteadOfWrapping) {
  EXPECT_EQ(checked_add(1, 2), 3u);
  EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_mul(UINT64_MAX, 2), std::nullopt);
  EXPECT_EQ(checked_mul(1u << 31, 2), std::uint64_t{1} << 32);
}

TEST(StatusTest, CarriesCodeAndMessage) {
  Status ok;
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(ok.message(), "");
  Status bad = invalid_arg("no");
  Status copy = bad;
  EXPECT_EQ(copy.code(), Code::kInvalidArg);
  EXPECT_EQ(std::move(copy).with_prefix("oh ").message(), "oh no");
  EXPECT_EQ(bad.message(), "no");
  EXPECT_TRUE(std::move(ok).with_prefix("x").ok());
}

TEST(StatusTest, EveryCodeHasAName) {
  for (int i = 0; i < kCodeCount; ++i) {
    EXPECT_NE(code_name(static_cast<Code>(i)), "<invalid code>");
  }
}

TEST(ResultTest, HoldsOneOfTwo) {
  Result<int> good(3);
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.value(), 3);
  EXPECT_TRUE(good.take_status().ok());
  Result<int> bad(not_found("gone"));
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace penstock
