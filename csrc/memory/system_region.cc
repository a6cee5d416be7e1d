// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/system_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "memory/bus_guard.h"
#include "penstock/shared_regions.h"

namespace penstock {
namespace {

constexpr std::string_view kReserved = "triton_python_backend_shm_region_";

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

struct Mapping {
  Buffer buffer;
  std::byte* pages = nullptr;
  std::size_t pages_bytes = 0;
  std::optional<BusGuard> guard;
  std::uint64_t end = 0;  // of the region, in the object
  int fd = -1;

  ~Mapping() {
    guard.reset();
    if (pages != nullptr) ::munmap(pages, pages_bytes);
    if (fd >= 0) ::close(fd);
  }
  static void release(Buffer* buffer) noexcept { delete static_cast<Mapping*>(buffer->owner); }
};

Status check_key(std::string_view name, std::string_view key) {
  const std::size_t first = key.find_first_not_of('/');
  if (first == std::string_view::npos || key.find('\0') != std::string_view::npos) {
    return invalid_arg("cannot register shared memory region " + quoted(name) +
                       " - invalid shm key " + quoted(key));
  }
  if (key.substr(first).starts_with(kReserved)) {
    return invalid_arg("cannot register shared memory region " + quoted(name) + " with key " +
                       quoted(key) + " as the key contains the reserved prefix " +
                       quoted(kReserved));
  }
  return {};
}

Status invalid_args(std::string_view name) {
  return invalid_arg("failed to register shared memory region " + quoted(name) + ": invalid args");
}

// The object's length. Only a file has one that cannot lie: no folder, no device, no FIFO.
std::optional<std::uint64_t> length(int fd) {
  struct stat found {};
  if (::fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size < 0) return {};
  return static_cast<std::uint64_t>(found.st_size);
}

Status map(std::string_view name, Mapping& mapping, std::uint64_t offset,
           std::uint64_t size_bytes) {
  const auto page = static_cast<std::uint64_t>(::getpagesize());
  if (offset % page != 0) {
    return invalid_arg("failed to register shared memory region " + quoted(name) +
                       ": unable to process address space: offset " + std::to_string(offset) +
                       " is no multiple of the page size, " + std::to_string(page));
  }
  void* data = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mapping.fd,
                      static_cast<off_t>(offset));
  if (data == MAP_FAILED) {
    return internal_error("failed to register shared memory region " + quoted(name) +
                          ": unable to process address space: " + std::strerror(errno));
  }
  mapping.pages = static_cast<std::byte*>(data);
  mapping.pages_bytes = (size_bytes + page - 1) / page * page;
  mapping.guard.emplace(mapping.pages, mapping.pages_bytes);
  if (!mapping.guard->guarded()) {
    return unavailable("failed to register shared memory region " + quoted(name) +
                       ": too many regions are mapped. Unregister some first.");
  }
  return {};
}

}  // namespace

Result<BufferLease> open_system_region(std::string_view name, std::string_view key,
                                       std::uint64_t offset, std::uint64_t size_bytes) {
  PENSTOCK_RETURN_IF_ERROR(check_key(name, key));
  auto mapping = std::make_unique<Mapping>();
  mapping->fd = ::shm_open(std::string(key).c_str(), O_RDWR, 0);
  const auto whole = mapping->fd < 0 ? std::nullopt : length(mapping->fd);
  if (!whole) return internal_error("Unable to open shared memory region: " + quoted(key));
  if (size_bytes == 0 || offset > *whole || size_bytes > *whole - offset) {
    return invalid_args(name);
  }
  PENSTOCK_RETURN_IF_ERROR(map(name, *mapping, offset, size_bytes));
  mapping->end = offset + size_bytes;
  Buffer& buffer = mapping->buffer;
  buffer.data = mapping->pages;
  buffer.size_bytes = size_bytes;
  buffer.release = Mapping::release;
  buffer.owner = mapping.get();
  return BufferLease::adopt(&mapping.release()->buffer);
}

Status check_system_region(std::string_view name, const Buffer& region) {
  const auto& mapping = *static_cast<const Mapping*>(region.owner);
  const auto whole = length(mapping.fd);
  if (!mapping.guard->shortened() && whole && *whole >= mapping.end) return {};
  return invalid_arg("shared memory region " + quoted(name) +
                     " is shorter than it was when it was registered. Unregister it.");
}

}  // namespace penstock
