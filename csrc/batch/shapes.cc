// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/shapes.h"

#include <algorithm>

namespace penstock {
namespace {

// Fills the wildcards of `to` with what `from`'s wildcards are in `actual`, left to right. `lead`
// dimensions of `actual` (the batch) are copied as they are.
Shape map_wildcards(const Shape& from, const Shape& to, const Shape& actual, std::size_t lead) {
  Shape result;
  for (std::size_t i = 0; i < lead; ++i) result.push_back(actual[i]);
  std::size_t next = 0;
  for (auto dim : to.dims()) {
    if (dim >= 0) {
      result.push_back(dim);
      continue;
    }
    while (next < from.rank() && from[next] >= 0) ++next;
    result.push_back(next < from.rank() ? actual[lead + next] : 1);
    ++next;
  }
  return result;
}

bool same_behind_batch(const Shape& a, const Shape& b) {
  return a.rank() == b.rank() && std::equal(a.begin() + std::min<std::size_t>(1, a.rank()), a.end(),
                                            b.begin() + std::min<std::size_t>(1, b.rank()));
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return std::equal(a.data, a.data + a.size_bytes, b.data, b.data + b.size_bytes);
}

}  // namespace

Shape backend_shape(const TensorSpec& spec, const Shape& client, bool batching) {
  if (!spec.reshape) return client;
  return map_wildcards(spec.dims, *spec.reshape, client, batching ? 1 : 0);
}

Status client_shape(const ModelPlan& plan, const TensorSpec& spec, const Shape& backend,
                    Shape& client) {
  const std::size_t lead = plan.batching() ? 1 : 0;
  if (!spec.allows(backend, plan.batching())) {
    Shape expected = spec.reshape ? *spec.reshape : spec.dims;
    if (lead > 0) (void)expected.try_push_front(-1);
    return internal_error("unexpected shape for output '" + spec.name + "' of model '" + plan.name +
                          "'. Expected " + to_string(expected) + ", got " + to_string(backend));
  }
  client = spec.reshape ? map_wildcards(*spec.reshape, spec.dims, backend, lead) : backend;
  return {};
}

void adapt_batch(const TensorSpec& spec, bool batching, Shape& shape) {
  const std::size_t rank = spec.dims.rank() + (batching ? 1 : 0);
  if (shape.rank() == rank + 1 && shape[0] == 1) {
    shape.pop_front();
  } else if (shape.rank() + 1 == rank && batching) {
    (void)shape.try_push_front(1);
  }
}

bool can_share_batch(const Request& a, const Request& b) {
  if (a.inputs.size() != b.inputs.size()) return false;
  for (const auto& input : a.inputs) {
    const InputTensor* other = b.find_input(input.spec);
    if (other == nullptr) return false;
    const TensorSpec& spec = a.plan().inputs[input.spec];
    if (spec.allow_ragged_batch) continue;
    if (!same_behind_batch(input.view.shape, other->view.shape)) return false;
    if (spec.is_shape_tensor && !same_bytes(input.view, other->view)) return false;
  }
  return true;
}

}  // namespace penstock
