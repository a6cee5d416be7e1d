// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What GPUs are for: how fast copies are through the pools beside CUDA's own, and what is left of
// them when the next batch is on its way while this one is executed. Prints one JSON object.
//
//   bench_device <device> [CUDA runtime libraries to try...]
//
// Exit code 3, and why on stderr: there is no CUDA runtime.
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "memory/cuda_api.h"
#include "penstock/completion.h"
#include "penstock/engine.h"

namespace penstock {
namespace {

constexpr int kNoCuda = 3;
constexpr std::array<std::size_t, 5> kSizes{64 << 10, 600 << 10, 4 << 20, 16 << 20, 64 << 20};
constexpr std::size_t kCopiedBytes = std::size_t{2} << 30;  // a measurement
constexpr int kRounds = 5;
constexpr std::size_t kTensorBytes = 16 << 20;  // of the timeline
constexpr int kBatches = 16;

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}
template <typename T>
T must(Result<T> result) {
  must(result.take_status());
  return std::move(result.value());
}

struct Machine {
  std::shared_ptr<CudaRuntime> cuda;
  std::int32_t device;
};

double gigabytes_per_second(std::size_t bytes, std::int64_t ns) {
  return static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(ns, 1));
}

// One copy after the other between the same two blocks, waited for at the end.
double raw_copies(const Machine& machine, std::size_t size, std::size_t count) {
  const auto host = make_pinned_allocator(machine.cuda);
  const auto device = make_device_allocator(machine.cuda, machine.device);
  void* const from = host->allocate(size);
  void* const to = device->allocate(size);
  if (from == nullptr || to == nullptr) must(unavailable("no memory for raw copies"));
  std::memset(from, 1, size);
  auto stream = must(CudaStream::create(machine.cuda, machine.device));
  must(stream->copy(to, from, size));
  must(stream->synchronize());
  const RealClock clock;
  const std::int64_t started = clock.now_ns();
  for (std::size_t i = 0; i < count; ++i) {
    const int error =
        machine.cuda->api().memcpy_async(to, from, size, CudaApi::kCopyDefault, stream->get());
    must(machine.cuda->check(error, machine.device, "cudaMemcpyAsync"));
  }
  must(stream->synchronize());
  const std::int64_t took = clock.now_ns() - started;
  device->deallocate(to, size);
  host->deallocate(from, size);
  return gigabytes_per_second(size * count, took);
}

// As an instance does it: memory from the pools and back, two batches on their way.
double pool_copies(const Machine& machine, std::size_t size, std::size_t count) {
  BufferPool host(make_pinned_allocator(machine.cuda), {});
  DevicePools devices(machine.cuda, {{machine.device, std::uint64_t{1} << 30}});
  BufferPool& device = *must(devices.pool(machine.device));
  auto stream = must(CudaStream::create(machine.cuda, machine.device));
  struct Slot {
    std::unique_ptr<CudaEvent> done;
    BufferLease from, to;
  };
  std::array<Slot, 2> slots;
  for (Slot& slot : slots) slot.done = must(CudaEvent::create(machine.cuda, machine.device));
  const RealClock clock;
  std::int64_t started = 0;
  for (std::size_t i = 0; i < count + 2; ++i) {  // the first two fill the pools
    if (i == 2) started = clock.now_ns();
    Slot& slot = slots[i % 2];
    must(slot.done->synchronize());
    slot.from = host.acquire(size);
    slot.to = device.acquire(size);
    if (!slot.from || !slot.to) must(unavailable("no memory for copies through the pools"));
    must(stream->copy(slot.to->data, slot.from->data, size));
    must(stream->record(*slot.done));
  }
  must(stream->synchronize());
  return gigabytes_per_second(size * count, clock.now_ns() - started);
}

template <typename Measure>
double median(Measure measure) {
  std::vector<double> values;
  for (int i = 0; i < kRounds; ++i) values.push_back(measure());
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A model that takes as long as it is told to, and gives its input back.
class Waiter final : public NativeInstance {
 public:
  explicit Waiter(std::int64_t ns) : ns_(ns) {}
  void execute(Batch& batch) override {
    TensorView view;
    BufferLease lease;
    must(batch.gather(0, view, &lease));
    batch.mark_exec_start();
    const timespec time{0, ns_};
    nanosleep(&time, nullptr);
    batch.mark_exec_end();
    batch.answer(0);
  }

 private:
  const std::int64_t ns_;
};

ModelPlan waiter_plan(std::int32_t device) {
  ModelPlan plan;
  plan.name = "waiter";
  TensorSpec spec;
  spec.type = DataType::kUint8;
  spec.dims = Shape{static_cast<std::int64_t>(kTensorBytes)};
  spec.name = "IN";
  plan.inputs.push_back(spec);
  spec.name = "OUT";
  plan.outputs.push_back(spec);
  plan.instance_devices = {device};
  return plan;
}

class Timeline {
 public:
  Timeline(const Machine& machine, const std::vector<std::string>& libraries, std::int64_t ns)
      : engine_(options(libraries)), ring_(wake_fd_) {
    auto plan = std::make_shared<ModelPlan>(waiter_plan(machine.device));
    model_ = must(engine_.create(std::move(plan)));
    model_->start(0, std::make_unique<Waiter>(ns));
    engine_.publish("waiter", {model_}, {});
  }
  ~Timeline() { engine_.retire(model_, INT64_C(1'000'000'000)); }
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  // Of batches one behind the other, the times of each.
  std::vector<StageTimes> run() {
    for (int i = 0; i < kBatches; ++i) submit();
    std::vector<StageTimes> times;
    while (times.size() < kBatches) {
      CompletionNode* node = ring_.take_all();
      if (node == nullptr) {
        ring_.arm();  // before the last look: what comes later wakes
        node = ring_.take_all();
      }
      if (node == nullptr) {
        pollfd waiting{wake_fd_.fd(), POLLIN, 0};
        (void)poll(&waiting, 1, -1);
        wake_fd_.drain();
      }
      while (node != nullptr) {
        auto* response = static_cast<Response*>(node);
        node = node->next;
        must(response->status);
        times.push_back(response->request->times);
        engine_.release(response->request);
      }
    }
    return times;
  }

 private:
  static EngineOptions options(const std::vector<std::string>& libraries) {
    EngineOptions options;
    options.pinned = true;
    options.devices = true;
    options.cuda_libraries = libraries;
    return options;
  }
  void submit() {
    Request* request = engine_.acquire();
    must(engine_.bind(*request, "waiter", -1));
    InputTensor* input = request->add_input("IN");
    input->lease = engine_.pool().acquire(kTensorBytes);
    input->view.type = DataType::kUint8;
    input->view.shape = Shape{static_cast<std::int64_t>(kTensorBytes)};
    input->view.data = input->lease->data;
    input->view.size_bytes = kTensorBytes;
    request->completion = &ring_;
    must(engine_.submit(*request));
  }

  Engine engine_;
  WakeFd wake_fd_;
  CompletionRing ring_;
  ModelVersionRef model_;
};

void print_timeline(const std::vector<StageTimes>& times) {
  std::printf(R"("timeline_us": [)");
  const std::int64_t start = times.front().batched;
  const auto us = [start](std::int64_t ns) { return static_cast<double>(ns - start) / 1000.0; };
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::printf("%s[%.1f, %.1f, %.1f]", i == 0 ? "" : ", ", us(times[i].batched),
                us(times[i].exec_start), us(times[i].exec_end));
  }
  std::printf("]");
}

int run(std::int32_t device, const std::vector<std::string>& libraries) {
  auto opened = CudaRuntime::open(libraries);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().message().c_str());
    return kNoCuda;
  }
  const Machine machine{opened.value(), device};
  must(machine.cuda->use(device));
  std::printf(R"({"copies": [)");
  double largest = 1;
  for (const std::size_t size : kSizes) {
    const std::size_t count = std::clamp<std::size_t>(kCopiedBytes / size, 16, 4096);
    const double raw = median([&] { return raw_copies(machine, size, count); });
    const double pool = median([&] { return pool_copies(machine, size, count); });
    std::printf(R"(%s{"bytes": %zu, "raw_gb_s": %.3f, "pool_gb_s": %.3f})",
                size == kSizes.front() ? "" : ", ", size, raw, pool);
    largest = pool;
  }
  // Twice as long as a copy takes: all of it can be hidden.
  const double copy_ns = static_cast<double>(kTensorBytes) / largest;
  const auto ns = static_cast<std::int64_t>(2 * copy_ns);
  std::printf(R"(], "copy_us": %.1f, "execute_us": %.1f, )", copy_ns / 1000, 2 * copy_ns / 1000);
  Timeline timeline(machine, libraries, std::min<std::int64_t>(ns, 999'999'999));
  (void)timeline.run();  // fills the pools
  print_timeline(timeline.run());
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace penstock

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return penstock::run(std::atoi(argv[1]), std::vector<std::string>(argv + 2, argv + argc));
}
