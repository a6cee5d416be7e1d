// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "fake_cudart.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#define PENSTOCK_FAKE_API extern "C" __attribute__((visibility("default")))

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

// ---- what the test has ----

void reset() {
  const std::lock_guard lock(machine().mutex);
  Machine& m = machine();
  m.device_count = 1;
  m.device_count_error = 0;
  m.memory = std::size_t{1} << 30;
  m.faults.clear();
  m.held = false;
  exposed = false;
  m.log.clear();
  m.changed.notify_all();
}
void set_device_count(int count, int error) {
  const std::lock_guard lock(machine().mutex);
  machine().device_count = count;
  machine().device_count_error = error;
}
void set_memory(std::size_t bytes) {
  const std::lock_guard lock(machine().mutex);
  machine().memory = bytes;
}
void fail_from(const char* function, int error, int after) {
  const std::lock_guard lock(machine().mutex);
  machine().faults[function] = {error, after, false};
}
void fail_once(const char* function, int error) {
  const std::lock_guard lock(machine().mutex);
  machine().faults[function] = {error, 0, true};
}
void heal() {
  const std::lock_guard lock(machine().mutex);
  machine().faults.clear();
}
void hold(bool held) {
  const std::lock_guard lock(machine().mutex);
  machine().held = held;
  machine().changed.notify_all();
}
const char* read_log() {
  thread_local std::string text;
  const std::lock_guard lock(machine().mutex);
  text.clear();
  for (const auto& line : machine().log) text += line + "\n";
  return text.c_str();
}
void note(const char* line) {
  const std::lock_guard lock(machine().mutex);
  write_down(machine(), line);
}
void wait_for(const char* beginning, int count) {
  Machine& m = machine();
  std::unique_lock lock(m.mutex);
  m.changed.wait(lock, [&] {
    int found = 0;
    for (const auto& line : m.log) found += line.rfind(beginning, 0) == 0;
    return found >= count;
  });
}
std::size_t live() {
  const std::lock_guard lock(machine().mutex);
  const Machine& m = machine();
  return m.blocks.size() + m.pinned.size() + m.opened.size() + m.streams.size() + m.events.size();
}
void* view(const void* device_memory) {
  const std::lock_guard lock(machine().mutex);
  const auto end = end_of(machine(), device_memory, 1);
  return end && end->device ? end->memory : nullptr;
}
void expose() {
  const std::lock_guard lock(machine().mutex);
  exposed = true;
}
void make_handle(int process, int file, std::size_t size, char* handle64) {
  Handle handle{process, file, size, {}};
  std::memcpy(handle.mark, kMark, sizeof(kMark));
  std::memset(handle64, 0, 64);
  std::memcpy(handle64, &handle, sizeof(handle));
}
void foreign_handle(char* handle64, std::size_t size_bytes, unsigned char fill) {
  const int file = new_file(size_bytes);  // stays, as another process would keep it
  void* const memory =
      mmap(nullptr, whole_pages(size_bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  std::memset(memory, fill, size_bytes);
  munmap(memory, whole_pages(size_bytes));
  make_handle(getpid(), file, size_bytes, handle64);
}

}  // namespace

PENSTOCK_FAKE_API const FakeCudartControl fake_cudart_control;
const FakeCudartControl fake_cudart_control{reset,
                                            set_device_count,
                                            set_memory,
                                            fail_from,
                                            fail_once,
                                            heal,
                                            [] { hold(true); },
                                            [] { hold(false); },
                                            read_log,
                                            note,
                                            wait_for,
                                            live,
                                            view,
                                            expose,
                                            foreign_handle};

// ---- devices ----

PENSTOCK_FAKE_API int cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(machine().mutex);
  *count = machine().device_count;
  return machine().device_count_error;
}

PENSTOCK_FAKE_API int cudaGetDevice(int* device) {
  *device = current_device;
  return 0;
}

PENSTOCK_FAKE_API int cudaSetDevice(int device) {
  const std::lock_guard lock(machine().mutex);
  if (device < 0 || device >= machine().device_count) return fail(kInvalidDevice);
  current_device = device;
  return 0;
}

PENSTOCK_FAKE_API int cudaGetLastError() { return std::exchange(last_error, 0); }

PENSTOCK_FAKE_API int cudaMemGetInfo(unsigned long* free, unsigned long* total) {
  const std::lock_guard lock(machine().mutex);
  *total = machine().memory;
  *free = machine().memory - machine().used;
  return enter(machine(), "cudaMemGetInfo");
}

PENSTOCK_FAKE_API const char* cudaGetErrorString(int error) {
  static const std::map<int, const char*> words{
      {kInvalidValue, "invalid argument"},
      {kOutOfMemory, "out of memory"},
      {100, "no CUDA-capable device is detected"},
      {kInvalidDevice, "invalid device ordinal"},
      {201, "invalid device context"},
      {kInvalidHandle, "invalid resource handle"},
      {700, "an illegal memory access was encountered"},
      {719, "unspecified launch failure"},
  };
  const auto found = words.find(error);
  return found == words.end() ? "unrecognized error code" : found->second;
}

// ---- memory ----

PENSTOCK_FAKE_API int cudaHostAlloc(void** memory, unsigned long bytes, unsigned flags) {
  const std::lock_guard lock(machine().mutex);
  Machine& m = machine();
  if (const int error =
          enter(m, "cudaHostAlloc", std::to_string(bytes) + " " + std::to_string(flags))) {
    return error;
  }
  *memory = std::aligned_alloc(kPage, whole_pages(bytes));
  if (*memory == nullptr) return fail(kOutOfMemory);
  m.pinned[static_cast<char*>(*memory)] = bytes;
  return 0;
}

PENSTOCK_FAKE_API int cudaFreeHost(void* memory) {
  const std::lock_guard lock(machine().mutex);
  if (machine().pinned.erase(static_cast<char*>(memory)) == 0) return fail(kInvalidValue);
  std::free(memory);
  return 0;
}

PENSTOCK_FAKE_API int cudaMalloc(void** memory, unsigned long bytes) {
  const std::lock_guard lock(machine().mutex);
  Machine& m = machine();
  if (const int error = enter(m, "cudaMalloc", std::to_string(bytes))) return error;
  if (bytes > m.memory - m.used) return fail(kOutOfMemory);
  auto block = std::make_unique<DeviceBlock>(new_file(bytes), bytes, current_device);
  m.used += bytes;
  *memory = block->address;
  m.blocks[block->address] = std::move(block);
  return 0;
}

PENSTOCK_FAKE_API int cudaFree(void* memory) {
  const std::lock_guard lock(machine().mutex);
  Machine& m = machine();
  write_down(m, "cudaFree");
  const auto found = m.blocks.find(static_cast<char*>(memory));
  if (found == m.blocks.end()) return fail(kInvalidValue);
  m.used -= found->second->size;
  m.blocks.erase(found);
  return 0;
}

PENSTOCK_FAKE_API int cudaMemcpy(void* to, const void* from, unsigned long bytes, int) {
  const std::lock_guard lock(machine().mutex);
  Machine& m = machine();
  const auto source = end_of(m, from, bytes);
  const auto target = end_of(m, to, bytes);
  if (!source || !target) return fail(700);
  const std::string what = std::to_string(bytes) + " " + direction(*source, *target);
  if (const int error = enter(m, "cudaMemcpy", what)) return error;
  std::memcpy(target->memory, source->memory, bytes);
  return 0;
}

PENSTOCK_FAKE_API int cuMemGetAddressRange_v2(unsigned long long* base, unsigned long* bytes,
                                              unsigned long long address) {
  const std::lock_guard lock(machine().mutex);
  const DeviceBlock* block = block_of(machine(), reinterpret_cast<void*>(address), 1);
  if (block == nullptr) return kInvalidValue;
  *base = reinterpret_cast<unsigned long long>(block->address);
  *bytes = block->size;
  return 0;
}

// ---- streams and events ----

PENSTOCK_FAKE_API int cudaStreamCreateWithFlags(void** stream, unsigned) {
  auto made = std::make_shared<Stream>();
  const std::lock_guard lock(machine().mutex);
  if (const int error = enter(machine(), "cudaStreamCreateWithFlags")) return error;
  *stream = made.get();
  machine().streams[made.get()] = std::move(made);
  return 0;
}

PENSTOCK_FAKE_API int cudaStreamDestroy(void* stream) {
  std::shared_ptr<Stream> last;  // ends without the lock
  const std::lock_guard lock(machine().mutex);
  const auto found = machine().streams.find(stream);
  if (found == machine().streams.end()) return fail(kInvalidHandle);
  last = std::move(found->second);
  machine().streams.erase(found);
  return 0;
}

PENSTOCK_FAKE_API int cudaStreamSynchronize(void* stream) {
  std::unique_lock lock(machine().mutex);
  if (const int error = enter(machine(), "cudaStreamSynchronize")) return error;
  if (stream == nullptr) return 0;  // the default one: what it is given is done at once
  const auto found = machine().streams.find(stream);
  if (found == machine().streams.end()) return fail(kInvalidHandle);
  const std::shared_ptr<Stream> kept = found->second;
  kept->wait(lock, kept->put());
  return 0;
}

PENSTOCK_FAKE_API int cudaMemcpyAsync(void* to, const void* from, unsigned long bytes, int,
                                      void* stream) {
  std::unique_lock lock(machine().mutex);
  Machine& m = machine();
  const auto source = end_of(m, from, bytes);
  const auto target = end_of(m, to, bytes);
  if (!source || !target) return fail(700);
  const std::string what = std::to_string(bytes) + " " + direction(*source, *target);
  if (const int error = enter(m, "cudaMemcpyAsync", what)) return error;
  const auto found = m.streams.find(stream);
  if (found == m.streams.end()) return fail(kInvalidHandle);
  const std::shared_ptr<Stream> kept = found->second;
  // As CUDA does: what is not page-locked is read now, and written before the call returns.
  std::shared_ptr<std::string> copied;
  if (source->pageable) copied = std::make_shared<std::string>(source->memory, bytes);
  const std::uint64_t number =
      kept->put([&m, what, bytes, copied, from_ = source->memory, to_ = target->memory] {
        std::memcpy(to_, copied ? copied->data() : from_, bytes);
        write_down(m, "done " + what);
      });
  if (target->pageable) kept->wait(lock, number);
  return 0;
}

PENSTOCK_FAKE_API int cudaEventCreateWithFlags(void** event, unsigned) {
  const std::lock_guard lock(machine().mutex);
  if (const int error = enter(machine(), "cudaEventCreateWithFlags")) return error;
  *event = new Event;
  machine().events.insert(*event);
  return 0;
}

PENSTOCK_FAKE_API int cudaEventDestroy(void* event) {
  const std::lock_guard lock(machine().mutex);
  if (machine().events.erase(event) == 0) return fail(kInvalidHandle);
  delete static_cast<Event*>(event);
  return 0;
}

PENSTOCK_FAKE_API int cudaEventRecord(void* event, void* stream) {
  const std::lock_guard lock(machine().mutex);
  if (const int error = enter(machine(), "cudaEventRecord")) return error;
  const auto found = machine().streams.find(stream);
  if (found == machine().streams.end()) return fail(kInvalidHandle);
  *static_cast<Event*>(event) = {found->second, found->second->put()};
  return 0;
}

PENSTOCK_FAKE_API int cudaEventSynchronize(void* event) {
  std::shared_ptr<Stream> kept;  // may end here, without the lock
  std::unique_lock lock(machine().mutex);
  if (const int error = enter(machine(), "cudaEventSynchronize")) return error;
  const Event& recorded = *static_cast<Event*>(event);
  if ((kept = recorded.stream.lock())) kept->wait(lock, recorded.number);
  return 0;
}

// ---- memory of other processes ----

struct FakeIpcHandle {
  char bytes[64];
};

PENSTOCK_FAKE_API int cudaIpcGetMemHandle(FakeIpcHandle* handle, void* memory) {
  const std::lock_guard lock(machine().mutex);
  const auto found = machine().blocks.find(static_cast<char*>(memory));
  if (found == machine().blocks.end()) return fail(kInvalidValue);
  make_handle(getpid(), found->second->file, found->second->size, handle->bytes);
  return 0;
}

PENSTOCK_FAKE_API int cudaIpcOpenMemHandle(void** memory, FakeIpcHandle handle64, unsigned) {
  const std::lock_guard lock(machine().mutex);
  if (const int error = enter(machine(), "cudaIpcOpenMemHandle")) return error;
  Handle handle{};
  std::memcpy(&handle, handle64.bytes, sizeof(handle));
  if (std::memcmp(handle.mark, kMark, sizeof(kMark)) != 0) return fail(kInvalidValue);
  const std::string path =
      "/proc/" + std::to_string(handle.process) + "/fd/" + std::to_string(handle.file);
  const int file = open(path.c_str(), O_RDWR);
  if (file < 0) return fail(kInvalidHandle);
  auto block = std::make_unique<DeviceBlock>(file, handle.size, current_device);
  *memory = block->address;
  machine().opened[block->address] = std::move(block);
  return 0;
}

PENSTOCK_FAKE_API int cudaIpcCloseMemHandle(void* memory) {
  const std::lock_guard lock(machine().mutex);
  write_down(machine(), "cudaIpcCloseMemHandle");
  return machine().opened.erase(static_cast<char*>(memory)) == 1 ? 0 : fail(kInvalidValue);
}

// For the tests of another language: what is at an address of a device.
PENSTOCK_FAKE_API void* fake_cudart_view(const void* device_memory) { return view(device_memory); }
