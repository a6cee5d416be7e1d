// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What the codec tests share: a model, a request bound to it, and codecs.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "penstock/codec.h"
#include "support/exact_lease.h"
#include "support/plans.h"
#include "support/requests.h"

namespace penstock::testing {

template <typename T>
std::vector<T> values_of(const TensorView& view) {
  std::vector<T> values(view.size_bytes / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), view.data, view.size_bytes);
  return values;
}

inline std::string string_of(const TensorView& view) {
  return {reinterpret_cast<const char*>(view.data), view.size_bytes};
}

// "3" length-prefixed: an element of a BYTES tensor.
inline std::string element(std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  std::string out(sizeof(length), '\0');
  std::memcpy(out.data(), &length, sizeof(length));
  return out.append(text);
}

class WireTest : public ::testing::Test {
 protected:
  WireTest() : pool_(make_page_allocator(), BufferPoolOptions{}) {
    plan_.name = "m";
    plan_.version = 3;
    plan_.inputs = {tensor_spec("IN", DataType::kFp32, Shape{-1})};
    plan_.outputs = {tensor_spec("OUT", DataType::kFp32, Shape{-1}),
                     tensor_spec("OUT1", DataType::kFp32, Shape{-1})};
    http_.emplace(pool_);
    grpc_.emplace(pool_);
    renew();
  }

  // A fresh request, bound to plan_.
  void renew() {
    request_ = std::make_unique<Request>();
    RequestTestPeer::bind(*request_, plan_);
    request_->response.request = request_.get();
  }

  Status http(std::string_view body, std::optional<std::uint64_t> json_bytes = std::nullopt) {
    renew();
    owner_ = exact_lease(body);
    return http_->decode(span_of(owner_), json_bytes, owner_, *request_);
  }

  // JSON, then binary tensors.
  Status http_binary(std::string_view json, std::string_view tensors) {
    return http(std::string(json).append(tensors), json.size());
  }

  Status grpc(std::string_view message) {
    renew();
    owner_ = exact_lease(message);
    return grpc_->decode(span_of(owner_), owner_, *request_);
  }

  OutputTensor& add_response(std::uint32_t spec, DataType type, Shape shape,
                             std::string_view data) {
    OutputTensor& output = request_->response.outputs.append();
    output.spec = spec;
    output.lease = exact_lease(data);
    output.view = TensorView{};
    output.view.type = type;
    output.view.shape = shape;
    output.view.data = output.lease->data;
    output.view.size_bytes = data.size();
    return output;
  }

  template <typename T>
  OutputTensor& add_values(std::uint32_t spec, DataType type, Shape shape,
                           const std::vector<T>& values) {
    return add_response(spec, type, shape,
                        {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }

  const InputTensor& input(std::size_t i = 0) const { return request_->inputs[i]; }

  BufferPool pool_;
  ModelPlan plan_;
  std::optional<HttpCodec> http_;
  std::optional<GrpcCodec> grpc_;
  BufferLease owner_;
  std::unique_ptr<Request> request_;
  Reply reply_;
};

#define EXPECT_STATUS(expr, expected_code, expected_message) \
  do {                                                       \
    const ::penstock::Status got_ = (expr);                  \
    EXPECT_EQ(got_.code(), ::penstock::Code::expected_code); \
    EXPECT_EQ(got_.message(), expected_message);             \
  } while (false)

#define EXPECT_OK(expr)                     \
  do {                                      \
    const ::penstock::Status got_ = (expr); \
    EXPECT_TRUE(got_.ok());                 \
    EXPECT_EQ(got_.message(), "");          \
  } while (false)

}  // namespace penstock::testing
