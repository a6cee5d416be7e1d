// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Requests and batches made by hand, without an engine.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "penstock/engine.h"
#include "request/request_pool.h"

namespace penstock {

// What Engine does to a request's private parts.
class RequestTestPeer {
 public:
  static void bind(Request& request, const ModelPlan& plan) { request.plan_ = &plan; }
  // As if the slot had been used that often.
  static void age(Request& request, std::uint64_t generation) {
    std::destroy_at(&request.use_);
    std::construct_at(&request.use_, generation);
  }
  // A mark that arrives late, whatever use it is by now.
  static void mark(Request& request, std::uint64_t generation) { request.use_.mark(generation); }
};

namespace testing {

inline BufferLease bytes(BufferPool& pool, const void* data, std::size_t size) {
  BufferLease lease = pool.acquire(size);
  if (size > 0) std::memcpy(lease->data, data, size);
  return lease;
}

// Appends an input with its own copy of the values.
template <typename T>
InputTensor* add_input(Request& request, BufferPool& pool, std::string_view name, DataType type,
                       Shape shape, const std::vector<T>& values) {
  InputTensor* input = request.add_input(name);
  if (input == nullptr) return nullptr;
  const std::size_t size = values.size() * sizeof(T);
  input->lease = bytes(pool, values.data(), size);
  input->view.type = type;
  input->view.shape = shape;
  input->view.data = input->lease->data;
  input->view.size_bytes = size;
  return input;
}

}  // namespace testing
}  // namespace penstock
