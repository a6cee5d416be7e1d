// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Classification (contract 1.7): an output tensor as its k highest values with their labels.
//
// Thread safety: one a thread. Ownership: results are BYTES elements in a buffer of its own, valid
// until clear(); `Classified` holds offsets, as the buffer may move while it grows. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/plan.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::wire {

struct Classified {
  Shape shape;
  std::size_t offset = 0;
  std::size_t size_bytes = 0;
};

class Classifier {
 public:
  static constexpr std::uint64_t kMaxElements = 1'000'000;

  void clear() { bytes_.clear(); }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  // `batching`: the first dimension counts batch items, each is classified by itself.
  [[nodiscard]] Status classify(const TensorSpec& spec, const TensorView& tensor, bool batching,
                                std::uint32_t class_count, Classified& out);

 private:
  template <typename T>
  void append_rows(std::span<const std::string> labels, const std::byte* data, std::size_t rows,
                   std::size_t columns, std::size_t k);
  void append_element(std::string_view value, std::uint32_t index,
                      std::span<const std::string> labels);

  std::string bytes_;
  std::vector<std::uint32_t> order_;
};

}  // namespace penstock::wire
