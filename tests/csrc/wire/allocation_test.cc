// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Once warm, no message is decoded or encoded with memory from the system.
#include <cstdlib>
#include <new>

#include "wire/golden.h"
#include "wire/wire_fixture.h"

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

// Not inlined, as the compiler would then see malloc and free, and take them for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  ++allocations;
  return std::malloc(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace penstock::testing {
namespace {

class AllocationTest : public WireTest {
 protected:
  // As a pooled slot is emptied: members keep their capacity.
  void empty_request() {
    request_->id.clear();
    request_->parameters.clear();
    for (auto& tensor : request_->inputs) tensor.lease.reset();
    request_->inputs.clear();
    request_->outputs.clear();
  }

  Status decode(const GoldenCase& golden, bool is_http) {
    empty_request();
    return is_http ? http_->decode(span_of(owner_), golden.json_bytes, owner_, *request_)
                   : grpc_->decode(span_of(owner_), owner_, *request_);
  }

  void expect_none_warm(const std::string& file, bool is_http) {
    for (const GoldenCase& golden : golden_cases(file)) {
      SCOPED_TRACE(golden.name);
      plan_ = golden.plan();
      renew();
      owner_ = exact_lease(golden.body);
      for (int round = 0; round < 3; ++round) EXPECT_OK(decode(golden, is_http));
      const std::size_t before = allocations;
      const Status status = decode(golden, is_http);
      EXPECT_EQ(allocations, before);
      EXPECT_OK(status);
    }
  }
};

TEST_F(AllocationTest, HttpDecode) { expect_none_warm("golden_http.bin", true); }
TEST_F(AllocationTest, GrpcDecode) { expect_none_warm("golden_grpc.bin", false); }

TEST_F(AllocationTest, Encode) {
  request_->id = "an id that is longer than a short string";
  request_->add_output("OUT1")->class_count = 2;
  add_values<float>(0, DataType::kFp32, Shape{3}, {1, 2.5F, 1e-7F});
  add_values<float>(1, DataType::kFp32, Shape{3}, {1, 2, 3});
  Reply& http_reply = reply_;
  Reply grpc_reply;
  for (int round = 0; round < 4; ++round) {
    const std::size_t before = allocations;
    const Status first = http_->encode(request_->response, http_reply);
    const Status second = grpc_->encode(request_->response, grpc_reply);
    EXPECT_TRUE(round < 3 || allocations == before);
    EXPECT_OK(first);
    EXPECT_OK(second);
  }
}

}  // namespace
}  // namespace penstock::testing
