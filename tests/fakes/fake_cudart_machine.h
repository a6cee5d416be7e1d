// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What the fake CUDA runtime is about: devices' memory that no processor may touch, pinned memory,
// streams with threads of their own, and the faults that a test wants. For fake_cudart.cc alone:
// nothing has a name outside, so that a process may load two of them.
// Thread safety: all of a Machine under its mutex.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

enum : int { kInvalidValue = 1, kOutOfMemory = 2, kInvalidDevice = 101, kInvalidHandle = 400 };
constexpr std::size_t kPage = 4096;

std::size_t whole_pages(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kPage - 1) / kPage * kPage;
}

bool exposed = false;  // under the machine's mutex

// A file in memory that is mapped twice: where no processor may go, and where the fake does.
struct DeviceBlock {
  DeviceBlock(int file_, std::size_t bytes, int device_)
      : file(file_), size(bytes), device(device_) {
    address = map(exposed ? PROT_READ | PROT_WRITE : PROT_NONE);
    view = map(PROT_READ | PROT_WRITE);
  }
  ~DeviceBlock() {
    munmap(address, whole_pages(size));
    munmap(view, whole_pages(size));
    close(file);
  }
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;

  char* map(int access) const {
    return static_cast<char*>(mmap(nullptr, whole_pages(size), access, MAP_SHARED, file, 0));
  }
  [[nodiscard]] bool has(const char* at, std::size_t bytes) const {
    return at >= address && at + bytes <= address + whole_pages(size);
  }

  int file;
  std::size_t size;
  int device;
  char* address;
  char* view;
};

struct Handle {
  int process;
  int file;
  std::size_t size;
  char mark[8];
};
static_assert(sizeof(Handle) <= 64);
constexpr char kMark[8] = "fakeipc";

int new_file(std::size_t bytes) {
  const int file = memfd_create("fake-device-memory", 0);
  if (file < 0 || ftruncate(file, static_cast<off_t>(whole_pages(bytes))) != 0) std::abort();
  return file;
}

struct Fault {
  int error;
  int after;
  bool once;
};

class Stream;

// The whole machine.
struct Machine {
  std::mutex mutex;
  std::condition_variable changed;
  int device_count = 1;
  int device_count_error = 0;
  std::size_t memory = std::size_t{1} << 30;
  std::size_t used = 0;
  std::map<std::string, Fault> faults;
  bool held = false;
  std::vector<std::string> log;
  std::map<char*, std::unique_ptr<DeviceBlock>> blocks;
  std::map<char*, std::size_t> pinned;
  std::map<char*, std::unique_ptr<DeviceBlock>> opened;
  std::map<void*, std::shared_ptr<Stream>> streams;
  std::set<void*> events;
};

Machine& machine() {
  static Machine* const the_machine = [] {
    auto* made = new Machine;  // outlives the streams' threads
    if (const char* count = std::getenv("FAKE_CUDART_DEVICES")) made->device_count = atoi(count);
    if (const char* bytes = std::getenv("FAKE_CUDART_BYTES"))
      made->memory = strtoull(bytes, nullptr, 10);
    return made;
  }();
  return *the_machine;
}

thread_local int current_device = 0;
thread_local int last_error = 0;

void write_down(Machine& m, std::string line) {
  m.log.push_back(std::move(line));
  m.changed.notify_all();
}

int fault_of_file(const char* function) {
  const char* path = std::getenv("FAKE_CUDART_FAULTS");
  if (path == nullptr) return 0;
  std::ifstream file(path);
  std::string name;
  int error = 0;
  while (file >> name >> error) {
    if (name == function) return error;
  }
  return 0;
}

// What a function answers before it does anything; 0: it may go on.
int enter(Machine& m, const char* function, const std::string& rest = "") {
  write_down(m, function + (rest.empty() ? "" : " " + rest));
  int error = fault_of_file(function);
  if (const auto fault = m.faults.find(function); fault != m.faults.end()) {
    if (fault->second.after > 0) {
      --fault->second.after;
    } else {
      error = fault->second.error;
      if (fault->second.once) m.faults.erase(fault);
    }
  }
  if (error != 0) last_error = error;
  return error;
}

int fail(int error) { return last_error = error; }

DeviceBlock* block_of(Machine& m, const void* at, std::size_t bytes) {
  auto* address = static_cast<char*>(const_cast<void*>(at));
  for (auto* table : {&m.blocks, &m.opened}) {
    for (auto& [_, block] : *table) {
      if (block->has(address, bytes)) return block.get();
    }
  }
  return nullptr;
}

bool is_pinned(Machine& m, const void* at, std::size_t bytes) {
  auto* address = static_cast<char*>(const_cast<void*>(at));
  for (const auto& [begin, size] : m.pinned) {
    if (address >= begin && address + bytes <= begin + size) return true;
  }
  return false;
}

// One end of a copy, as the fake reaches it.
struct End {
  char* memory;
  bool device;
  bool pageable;
};
std::optional<End> end_of(Machine& m, const void* at, std::size_t bytes) {
  auto* address = static_cast<char*>(const_cast<void*>(at));
  if (const DeviceBlock* block = block_of(m, at, bytes)) {
    return End{block->view + (address - block->address), true, false};
  }
  if (block_of(m, at, 1) != nullptr) return std::nullopt;  // past its end
  return End{address, false, !is_pinned(m, at, bytes)};
}

std::string direction(const End& from, const End& to) {
  return std::string(from.device ? "D" : "H") + "to" + (to.device ? "D" : "H");
}

class Stream {
 public:
  Stream() : thread_([this] { run(); }) {}
  ~Stream() {
    {
      const std::lock_guard lock(machine().mutex);
      ended_ = true;
      machine().changed.notify_all();
    }
    thread_.join();
  }
  // Under the machine's mutex, all of these.
  std::uint64_t put(std::function<void()> work) {
    work_.push_back(std::move(work));
    machine().changed.notify_all();
    return ++put_;
  }
  [[nodiscard]] std::uint64_t put() const { return put_; }
  void wait(std::unique_lock<std::mutex>& lock, std::uint64_t number) {
    machine().changed.wait(lock, [&] { return done_ >= number; });
  }

 private:
  void run() {
    Machine& m = machine();
    std::unique_lock lock(m.mutex);
    for (;;) {
      m.changed.wait(lock,
                     [&] { return (!work_.empty() && !m.held) || (ended_ && work_.empty()); });
      if (work_.empty()) return;
      work_.front()();
      work_.pop_front();
      ++done_;
      m.changed.notify_all();
    }
  }

  std::deque<std::function<void()>> work_;
  std::uint64_t put_ = 0;
  std::uint64_t done_ = 0;
  bool ended_ = false;
  std::thread thread_;
};

struct Event {
  std::weak_ptr<Stream> stream;
  std::uint64_t number = 0;
};

}  // namespace
