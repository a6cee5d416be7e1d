// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "request/request_pool.h"

namespace penstock {

Request* RequestPool::acquire() {
  Request* request = slots_.acquire([](Request& slot, std::uint32_t index) {
    slot.index_ = index;
    slot.reset();
  });
  if (request == nullptr) return nullptr;
  // relaxed: a statistic; pairs with nothing
  acquired_.fetch_add(1, std::memory_order_relaxed);
  request->set_state(RequestState::kFilling);
  return request;
}

void RequestPool::release(Request* request) {
  request->use_.next();
  request->reset();
  request->set_state(RequestState::kFree);
  released_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  slots_.release(request);
}

bool RequestPool::cancel(RequestHandle handle) {
  Request* request = slots_.find(handle.index);
  return request != nullptr && request->use_.cancel(handle.generation);
}

std::uint64_t RequestPool::acquired() const {
  return acquired_.load(std::memory_order_relaxed);  // relaxed: a statistic
}

std::uint64_t RequestPool::released() const {
  return released_.load(std::memory_order_relaxed);  // relaxed: a statistic
}

Response* ResponsePool::acquire() {
  Response* response = slots_.acquire([](Response&, std::uint32_t) {});
  if (response != nullptr) response->final = false;
  return response;
}

void ResponsePool::release(Response* response) {
  response->clear();
  slots_.release(response);
}

}  // namespace penstock
