// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DevicePipeline: an instance whose tensors are in a GPU's memory: while it executes a batch, a
// thread beside it takes the next one, gathers it and has it copied over.
//
// There are two batches at most, one that is executed and one that is on its way or waits. Thread
// safety: next(), finish() and done() from the instance's thread. Ownership: the staging thread,
// its two streams and what is on them; pools, plan and runtime outlive it. next() and finish()
// block; the destructor waits for the staging thread, which ends when there are no more batches.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "batch/device_stage.h"
#include "penstock/backend.h"
#include "penstock/cuda.h"

namespace penstock {

class DevicePipeline {
 public:
  // Waits for the instance's next batch; false when there will be none any more.
  using Pull = std::function<bool(Batch&)>;

  static constexpr std::size_t kMaxBatches = 2;

  // `batches`: so many at a time, 1 to kMaxBatches; with one nothing is done ahead.
  [[nodiscard]] static Result<std::unique_ptr<DevicePipeline>> create(
      DevicePools& devices, BufferPool& host, std::int32_t device, std::size_t batches, Pull pull);
  ~DevicePipeline();
  DevicePipeline(const DevicePipeline&) = delete;
  DevicePipeline& operator=(const DevicePipeline&) = delete;

  // A batch whose inputs are on the device; `batch` must be empty. False at the end. An error, with
  // the batch it is about: what could not be brought over. At the end all that CUDA gave goes back,
  // however long somebody may keep the model.
  [[nodiscard]] Result<bool> next(Batch& batch);
  // Until the batch's outputs are where its responses say.
  [[nodiscard]] Status finish(Batch& batch);
  // The batch was answered; there is room for another.
  void done(Batch& batch);

 private:
  enum class SlotState : std::uint8_t { kFree, kStaged, kExecuting };
  struct Slot {
    SlotState state = SlotState::kFree;  // under mutex_
    Batch batch;
    std::unique_ptr<DeviceStage> stage;
    Status status;
  };

  DevicePipeline(std::shared_ptr<CudaRuntime> runtime, std::int32_t device, std::size_t batches,
                 Pull pull)
      : runtime_(std::move(runtime)), device_(device), batches_(batches), pull_(std::move(pull)) {}
  [[nodiscard]] Status prepare(BufferPool& host, BufferPool& device_pool);
  void run();
  [[nodiscard]] bool wait_until_free(const Slot& slot);
  void move(Slot& slot, SlotState state);
  [[nodiscard]] bool take(Slot& slot);
  void close();

  const std::shared_ptr<CudaRuntime> runtime_;
  const std::int32_t device_;
  const std::size_t batches_;
  const Pull pull_;
  std::unique_ptr<CudaStream> in_;
  std::unique_ptr<CudaStream> out_;
  std::array<Slot, kMaxBatches> slots_;  // the first batches_ are taken in turn
  std::size_t next_ = 0;                 // the instance's: which slot it takes next
  Slot* taken_ = nullptr;                // the instance's: the one it has
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;  // under mutex_: there are no more batches
  std::thread staging_;
};

}  // namespace penstock
