// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string>

namespace penstock::worker {
namespace {

constexpr std::size_t kMaxArenaBytes = std::size_t{1} << 42;

std::size_t total_bytes(std::size_t arena_bytes) { return kArenasAt + 2 * arena_bytes; }

Status failure(const char* what, int error) {
  return unavailable(std::string("unable to make the memory of a worker process: ") + what + ": " +
                     std::strerror(error));
}

}  // namespace

Result<std::shared_ptr<SharedMemory>> SharedMemory::map(int fd, std::size_t arena_bytes) {
  void* base = mmap(nullptr, total_bytes(arena_bytes), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return failure("mmap", error);
  }
  madvise(base, total_bytes(arena_bytes), MADV_DONTDUMP);  // best effort: clients' data
  return std::shared_ptr<SharedMemory>(
      new SharedMemory(fd, static_cast<std::byte*>(base), arena_bytes));
}

Result<std::shared_ptr<SharedMemory>> SharedMemory::create(std::size_t arena_bytes) {
  if (arena_bytes == 0 || arena_bytes > kMaxArenaBytes) {
    return failure("size of an arena", EINVAL);
  }
  arena_bytes = (arena_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  const int fd = memfd_create("penstock_worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return failure("memfd_create", errno);
  const auto size = static_cast<off_t>(total_bytes(arena_bytes));
  if (ftruncate(fd, size) != 0 || fallocate(fd, 0, 0, static_cast<off_t>(kArenasAt)) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    const int error = errno;
    close(fd);
    return failure("memfd", error);
  }
  auto memory = map(fd, arena_bytes);
  if (!memory.ok()) return memory;
  ControlArea* control = new (&memory.value()->control()) ControlArea{};
  control->arena_bytes = arena_bytes;
  control->version = kLayoutVersion;
  return memory;
}

Result<std::shared_ptr<SharedMemory>> SharedMemory::attach(int fd) {
  struct stat info {};
  std::uint64_t head[2] = {};
  if (fstat(fd, &info) != 0 || pread(fd, head, sizeof head, 0) != sizeof head) {
    return failure("the descriptor that was handed over", errno);
  }
  if (head[0] != kLayoutVersion || head[1] == 0 || head[1] > kMaxArenaBytes ||
      static_cast<std::uint64_t>(info.st_size) != total_bytes(head[1])) {
    return invalid_arg("the server's shared memory has another layout than this worker's");
  }
  return map(fd, head[1]);
}

SharedMemory::~SharedMemory() {
  munmap(base_, total_bytes(arena_bytes_));
  close(fd_);
}

bool SharedMemory::commit(const std::byte* from, std::size_t size_bytes) const {
  if (size_bytes == 0) return true;
  int result = 0;
  do {
    result = fallocate(fd_, 0, from - base_, static_cast<off_t>(size_bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

void SharedMemory::discard(const std::byte* from, std::size_t size_bytes) const noexcept {
  if (size_bytes == 0) return;
  (void)fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from - base_,
                  static_cast<off_t>(size_bytes));  // fails: the pages stay until the worker ends
}

}  // namespace penstock::worker
