// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/device_pipeline.h"

#include <utility>

#include "sync/request_thread.h"

namespace penstock {

Result<std::unique_ptr<DevicePipeline>> DevicePipeline::create(DevicePools& devices,
                                                               BufferPool& host,
                                                               std::int32_t device,
                                                               std::size_t batches, Pull pull) {
  auto pool = devices.pool(device);
  if (!pool.ok()) return pool.take_status();
  std::unique_ptr<DevicePipeline> pipeline(
      new DevicePipeline(devices.runtime(), device, batches, std::move(pull)));
  if (Status s = pipeline->prepare(host, *pool.value()); !s.ok()) return s;
  return pipeline;
}

Status DevicePipeline::prepare(BufferPool& host, BufferPool& device_pool) {
  for (auto* stream : {&in_, &out_}) {
    auto created = CudaStream::create(runtime_, device_);
    if (!created.ok()) return created.take_status();
    *stream = std::move(created.value());
  }
  const StagingPlace place{*runtime_, host, device_pool, *in_, *out_};
  for (Slot& slot : slots_) {
    auto arrived = CudaEvent::create(runtime_, device_);
    if (!arrived.ok()) return arrived.take_status();
    slot.stage = std::make_unique<DeviceStage>(place, std::move(arrived.value()));
  }
  return {};
}

DevicePipeline::~DevicePipeline() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  close();
}

void DevicePipeline::close() {
  if (staging_.joinable()) staging_.join();
  // First the streams: stages may keep what is still being copied there.
  in_.reset();
  out_.reset();
  for (Slot& slot : slots_) slot.stage.reset();
}

void DevicePipeline::move(Slot& slot, SlotState state) {
  const std::lock_guard lock(mutex_);
  slot.state = state;
  changed_.notify_all();
}

bool DevicePipeline::wait_until_free(const Slot& slot) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return slot.state == SlotState::kFree || ended_; });
  return !ended_;
}

void DevicePipeline::run() {
  begin_request_thread("staging");
  const Status usable = runtime_->use(device_);
  for (std::size_t turn = 0;; turn = (turn + 1) % batches_) {
    Slot& slot = slots_[turn];
    if (!wait_until_free(slot) || !pull_(slot.batch)) break;
    slot.status = usable.ok() ? slot.stage->bring_in(slot.batch) : usable;
    move(slot, SlotState::kStaged);
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

bool DevicePipeline::take(Slot& slot) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return slot.state == SlotState::kStaged || ended_; });
  if (slot.state != SlotState::kStaged) return false;
  slot.state = SlotState::kExecuting;
  return true;
}

Result<bool> DevicePipeline::next(Batch& batch) {
  if (in_ == nullptr) return false;  // closed
  if (!staging_.joinable()) {
    // The first call comes from the instance's thread, whose cores the staging thread takes over.
    // Where this fails it fails there too, and every batch is told.
    (void)runtime_->use(device_);
    staging_ = std::thread([this] { run(); });
  }
  Slot& slot = slots_[next_];
  if (!take(slot)) {
    close();
    return false;
  }
  next_ = (next_ + 1) % batches_;
  taken_ = &slot;
  slot.batch.set_stage(slot.stage.get());
  batch.swap(slot.batch);
  if (!slot.status.ok()) return std::exchange(slot.status, {});
  if (Status status = slot.stage->wait_in(); !status.ok()) return status;
  return true;
}

Status DevicePipeline::finish(Batch& batch) {
  return batch.stage() == nullptr ? Status{} : batch.stage()->wait_out();
}

void DevicePipeline::done(Batch& batch) {
  batch.set_stage(nullptr);
  taken_->stage->clear();
  move(*taken_, SlotState::kFree);
}

}  // namespace penstock
