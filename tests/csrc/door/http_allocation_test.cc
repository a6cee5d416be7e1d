// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Once warm, a request takes nothing from the system: neither the loop that serves it nor the
// instance that runs it.
#include <atomic>
#include <cstdlib>
#include <new>

#include "door/http_fixture.h"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// Sanitizers bring their own allocator, which a shared library of ours (simdjson) would still use:
// under them only the pool is watched.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
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
#endif

namespace penstock::door::testing {
namespace {

class HttpAllocationTest : public HttpDoorTest {
 protected:
  // Asks again and again over one socket, without a byte from the heap on this side.
  static void ask_often(int fd, const std::string& request, std::size_t reply_bytes, int times) {
    static char buffer[1 << 20];
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(::send(fd, request.data(), request.size(), 0),
                static_cast<ssize_t>(request.size()));
      for (std::size_t size = 0; size < reply_bytes;) {
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        ASSERT_GT(got, 0);
        size += static_cast<std::size_t>(got);
      }
    }
  }

  void expect_none_warm(const std::string& request, std::size_t reply_bytes) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un address = unix_address(path());
    ASSERT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ask_often(fd, request, reply_bytes, 200);
    const std::uint64_t from_system = engine_->pool().stats().system_allocs;
    const std::size_t before = allocations;
    ask_often(fd, request, reply_bytes, 1000);
    EXPECT_EQ(allocations - before, 0u);
    EXPECT_EQ(engine_->pool().stats().system_allocs, from_system);
    ::close(fd);
  }

  std::size_t reply_bytes(const std::string& request) {
    const HttpReply reply = ask(request);
    EXPECT_EQ(reply.status, 200);
    return reply.head.size() + reply.body.size();
  }
};

TEST_F(HttpAllocationTest, ASmallInference) {
  open({}, false, 1);
  expect_none_warm(infer(16), reply_bytes(infer(16)));
}

TEST_F(HttpAllocationTest, ALargeInference) {
  open({}, false, 1);
  expect_none_warm(infer(20'000), reply_bytes(infer(20'000)));
}

TEST_F(HttpAllocationTest, Health) {
  open({}, false, 1);
  const std::string live = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n";
  expect_none_warm(live, reply_bytes(live));
}

}  // namespace
}  // namespace penstock::door::testing
