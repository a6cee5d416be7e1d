// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "fake_cudart.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "fake_cudart_machine.h"

#define PENSTOCK_FAKE_API extern "C" __attribute__((visibility("default")))

namespace {

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
