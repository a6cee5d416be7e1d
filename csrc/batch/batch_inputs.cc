// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/batch_inputs.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace penstock {
namespace {

// Shapes of requests that were validated: their products fit.
std::int64_t elements(const Shape& shape) {
  return static_cast<std::int64_t>(element_count(shape).value_or(0));
}

std::int64_t items(const Shape& shape, bool batching) {
  return batching && !shape.empty() ? shape[0] : 1;
}

std::span<const std::int64_t> item_dims(const Shape& shape, bool batching) {
  return shape.dims().subspan(batching && !shape.empty() ? 1 : 0);
}

class Writer {
 public:
  Writer(DataType type, std::byte* to) : floats_(type == DataType::kFp32), to_(to) {}

  void put(std::int64_t value) {
    if (floats_) {
      put_bytes(static_cast<float>(value));
    } else {
      fits_ = fits_ && value <= std::numeric_limits<std::int32_t>::max();
      put_bytes(static_cast<std::int32_t>(value));
    }
  }
  [[nodiscard]] bool fits() const { return fits_; }

 private:
  template <typename T>
  void put_bytes(T value) {
    std::memcpy(to_, &value, sizeof(value));
    to_ += sizeof(value);
  }

  const bool floats_;
  std::byte* to_;
  bool fits_ = true;
};

void put_item_shapes(Writer& writer, const Shape& source, bool batching) {
  for (std::int64_t item = 0; item < items(source, batching); ++item) {
    for (std::int64_t dim : item_dims(source, batching)) writer.put(dim);
  }
}

}  // namespace

Shape batch_input_shape(BatchInputKind kind, std::span<const Shape> sources, bool batching) {
  const auto requests = static_cast<std::int64_t>(sources.size());
  std::int64_t most = 0;
  std::int64_t rows = 0;
  std::int64_t rank = 0;  // the same of all: a specification's
  for (const Shape& source : sources) {
    most = std::max(most, elements(source));
    rows += items(source, batching);
    rank = static_cast<std::int64_t>(item_dims(source, batching).size());
  }
  switch (kind) {
    case BatchInputKind::kElementCount:
    case BatchInputKind::kAccumulatedElementCount:
      return Shape{requests};
    case BatchInputKind::kAccumulatedElementCountWithZero:
      return Shape{requests + 1};
    case BatchInputKind::kMaxElementCountAsShape:
      return Shape{most};
    case BatchInputKind::kItemShape:
      return Shape{rows, rank};
    case BatchInputKind::kItemShapeFlatten:
      return Shape{rows * rank};
  }
  return {};
}

bool write_batch_input(BatchInputKind kind, DataType type, std::span<const Shape> sources,
                       bool batching, std::byte* to) {
  Writer writer(type, to);
  if (kind == BatchInputKind::kMaxElementCountAsShape) {
    // The shape is the message. The memory was somebody else's before, so it is not left as it is.
    const Shape shape = batch_input_shape(kind, sources, batching);
    std::memset(to, 0, byte_size(type, shape).value_or(0));
    return true;
  }
  if (kind == BatchInputKind::kAccumulatedElementCountWithZero) writer.put(0);
  std::int64_t total = 0;
  for (const Shape& source : sources) {
    if (kind == BatchInputKind::kItemShape || kind == BatchInputKind::kItemShapeFlatten) {
      put_item_shapes(writer, source, batching);
    } else if (kind == BatchInputKind::kElementCount) {
      writer.put(elements(source));
    } else {
      writer.put(total += elements(source));
    }
  }
  return writer.fits();
}

}  // namespace penstock
