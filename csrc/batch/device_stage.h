// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DeviceStage: a batch's inputs on their way to a device's memory, and its outputs on their way
// back.
//
// Inputs are gathered in the engine's pool, page-locked where there is CUDA, and go over by one
// asynchronous copy a tensor; outputs come back the same way and are cut into the requests' parts
// where they land. Thread safety: one thread at a time; the thread that begins a batch may be
// another than the one that ends it. Ownership: keeps what is being copied until clear(); pools
// outlive it, and streams its last call. wait_in() and wait_out() block, and so does copying memory
// that is not page-locked.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "penstock/backend.h"
#include "penstock/cuda.h"

namespace penstock {

// What the stages of an instance share.
struct StagingPlace {
  CudaRuntime& runtime;
  BufferPool& host;
  BufferPool& device;
  CudaStream& in;   // of inputs
  CudaStream& out;  // of outputs, and of whatever else the back end puts there
};

class DeviceStage {
 public:
  DeviceStage(const StagingPlace& place, std::unique_ptr<CudaEvent> arrived)
      : place_(place), arrived_(std::move(arrived)) {}

  [[nodiscard]] std::int32_t device() const { return place_.in.device(); }
  // Whoever asks may put work there, which wait_out() then waits for.
  [[nodiscard]] CudaStream& stream() {
    out_used_ = true;
    return place_.out;
  }
  [[nodiscard]] BufferPool& pool() { return place_.device; }

  // Puts the copies of all inputs that the device may have on their way. An error names the input,
  // the model and the device; nothing is being copied any more then.
  [[nodiscard]] Status bring_in(Batch& batch);
  // Until they are there.
  [[nodiscard]] Status wait_in();
  // What came over; false for an input that stays in the host's memory.
  [[nodiscard]] bool find(std::uint32_t spec, TensorView& view, BufferLease* lease) const;

  // The whole of an output that place() is then asked for parts of. What wrote it is done, or is
  // on stream().
  void offer(const TensorView& output, const BufferLease& lease);
  // Where a part of it will be once wait_out() has returned: in `window` (may be empty) if it fits
  // there, else in the host's memory.
  [[nodiscard]] Status place(const RegionWindow& window, TensorView& part, BufferLease& lease);
  // Until outputs are where place() said.
  [[nodiscard]] Status wait_out();
  // Lets go of what was copied; of what a lost device may still be copying, only the destructor.
  void clear();

 private:
  struct Input {
    std::uint32_t spec;
    TensorView view;
    BufferLease lease;
  };
  [[nodiscard]] Status bring_in_all(Batch& batch);
  [[nodiscard]] Status bring_in(Batch& batch, std::uint32_t spec);
  [[nodiscard]] Status send(const BufferLease& owner, TensorView& view);
  [[nodiscard]] Status send_rows(Batch& batch, std::uint32_t spec, TensorView& view);
  [[nodiscard]] Status acquire(std::size_t size_bytes, BufferLease& lease);
  [[nodiscard]] Status bring_back();

  const StagingPlace place_;
  const std::unique_ptr<CudaEvent> arrived_;
  std::vector<Input> inputs_;
  std::vector<BufferLease> kept_;  // until clear(): the copies' other ends
  TensorView offered_;
  BufferLease offered_lease_;
  BufferLease landed_;  // where the offered output is coming back to, if anybody needs it there
  bool out_used_ = false;
};

}  // namespace penstock
