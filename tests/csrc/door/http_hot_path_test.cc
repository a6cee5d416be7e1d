// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Once warm, a request takes nothing from the heap, on the loop that serves it and on the instance
// that runs it, and its loop takes no lock at all: none could be shared with another loop.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "door/hot_path.h"
#include "door/http_fixture.h"

namespace {

using penstock::door::testing::HotPath;

#if !defined(__SANITIZE_THREAD__)
void count_allocation() {
  if (!HotPath::is_client) ++HotPath::allocations;
}

// Of the doors' own threads, which are known by their names.
void count_lock() {
  thread_local int is_loop = -1;
  if (is_loop < 0) {
    char name[16] = {};
    (void)pthread_getname_np(pthread_self(), name, sizeof name);
    is_loop = std::strstr(name, "-door") != nullptr;
    if (is_loop == 0) is_loop = -1;  // it may get its name later
  }
  if (is_loop > 0) ++HotPath::locks;
}

template <typename Function>
Function next_of(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}
#endif

}  // namespace

// ThreadSanitizer brings its own locks: under it only the pool is watched. What nghttp2 allocates
// with malloc is its own, and not counted.
#if !defined(__SANITIZE_THREAD__)
// Not inlined, as the compiler would then see malloc and free, and take them for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  count_allocation();
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  count_allocation();
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

extern "C" {
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static const auto next = next_of<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  count_lock();
  return next(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  static const auto next = next_of<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  count_lock();
  return next(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  static const auto next = next_of<int (*)(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  count_lock();
  return next(lock);
}
}
#endif

namespace penstock::door::testing {
namespace {

class HttpHotPath : public HttpDoorTest {
 protected:
  HttpHotPath() { HotPath::is_client = true; }
  ~HttpHotPath() override { HotPath::is_client = false; }

  // Asks again and again over one socket.
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
    const Taken taken(*engine_);
    ask_often(fd, request, reply_bytes, 1000);
    taken.check();
    ::close(fd);
  }

  std::size_t reply_bytes(const std::string& request) {
    const HttpReply reply = ask(request);
    EXPECT_EQ(reply.status, 200);
    return reply.head.size() + reply.body.size();
  }
};

TEST_F(HttpHotPath, ASmallInference) {
  open({}, false, 1);
  expect_none_warm(infer(16), reply_bytes(infer(16)));
}

TEST_F(HttpHotPath, ALargeInference) {
  open({}, false, 1);
  expect_none_warm(infer(20'000), reply_bytes(infer(20'000)));
}

TEST_F(HttpHotPath, Health) {
  open({}, false, 1);
  const std::string live = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n";
  expect_none_warm(live, reply_bytes(live));
}

}  // namespace
}  // namespace penstock::door::testing
