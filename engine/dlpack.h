// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// TensorView to DLPack and back. Thread safety: make_managed anywhere; the deleter it installs may
// run on any thread, without the GIL.
#pragma once

#include <memory>

#include "dlpack_abi.h"
#include "penstock/engine.h"
#include "penstock/status.h"
#include "penstock/tensor.h"

namespace penstock::binding {

// DLPack's name of a data type; false for BYTES, which it has not.
inline bool to_dlpack_type(DataType type, DLDataType& out) {
  const auto bits = static_cast<std::uint8_t>(element_size(type) * 8);
  switch (type) {
    case DataType::kBool:
      out = {kDLBool, 8, 1};
      return true;
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
    case DataType::kUint64:
      out = {kDLUInt, bits, 1};
      return true;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
    case DataType::kInt64:
      out = {kDLInt, bits, 1};
      return true;
    case DataType::kFp16:
    case DataType::kFp32:
    case DataType::kFp64:
      out = {kDLFloat, bits, 1};
      return true;
    case DataType::kBf16:
      out = {kDLBfloat, 16, 1};
      return true;
    default:
      return false;
  }
}

inline DataType from_dlpack_type(DLDataType type) {
  if (type.lanes != 1) return DataType::kInvalid;
  for (int i = 1; i < kDataTypeCount; ++i) {
    DLDataType candidate{};
    const auto data_type = static_cast<DataType>(i);
    if (to_dlpack_type(data_type, candidate) && candidate.code == type.code &&
        candidate.bits == type.bits) {
      return data_type;
    }
  }
  return DataType::kInvalid;
}

struct ManagedTensor {
  DLManagedTensor managed{};
  Shape shape;
  std::shared_ptr<Engine> engine;  // before the lease, and so gone after it: it owns the pool
  BufferLease lease;
};

inline DLManagedTensor* make_managed(const TensorView& view, const BufferLease& lease,
                                     const std::shared_ptr<Engine>& engine) {
  auto owner = std::make_unique<ManagedTensor>();
  DLTensor& t = owner->managed.dl_tensor;
  if (!to_dlpack_type(view.type, t.dtype)) return nullptr;
  owner->shape = view.shape;
  owner->lease = lease;
  owner->engine = engine;
  t.data = const_cast<std::byte*>(view.data);
  // As __dlpack_device__ says; pinned memory is CPU memory to readers.
  t.device = view.memory == MemoryKind::kGpu ? DLDevice{kDLCUDA, view.device} : DLDevice{kDLCPU, 0};
  t.ndim = static_cast<std::int32_t>(owner->shape.rank());
  t.shape = const_cast<std::int64_t*>(owner->shape.begin());
  t.strides = nullptr;
  t.byte_offset = 0;
  owner->managed.manager_ctx = owner.get();
  owner->managed.deleter = [](DLManagedTensor* self) {
    delete static_cast<ManagedTensor*>(self->manager_ctx);
  };
  return &owner.release()->managed;
}

// Checks that a foreign tensor is one this server can read as it lies, and describes it. In a GPU's
// memory only where the caller can do with that.
inline Status view_of_managed(const DLManagedTensor& managed, bool on_device, TensorView& view) {
  const DLTensor& t = managed.dl_tensor;
  const bool gpu = t.device.device_type == kDLCUDA;
  view.memory = gpu ? MemoryKind::kGpu : MemoryKind::kCpu;
  view.device = gpu ? t.device.device_id : 0;
  if (t.device.device_type != kDLCPU && t.device.device_type != kDLCUDAHost &&
      !(gpu && on_device)) {
    return unsupported("DLPack tensor is on device type " + std::to_string(t.device.device_type) +
                       ", only CPU memory is supported");
  }
  view.type = from_dlpack_type(t.dtype);
  if (view.type == DataType::kInvalid) {
    return unsupported("DLPack tensor has type code " + std::to_string(t.dtype.code) + " with " +
                       std::to_string(t.dtype.bits) + " bits, which no tensor of the protocol has");
  }
  view.shape.clear();
  for (int i = 0; i < t.ndim; ++i) {
    if (t.shape[i] < 0 || !view.shape.try_push_back(t.shape[i])) {
      return invalid_arg("DLPack tensor has a negative dimension or more than " +
                         std::to_string(Shape::kMaxRank) + " dimensions");
    }
  }
  const auto size = byte_size(view.type, view.shape);
  if (!size) return invalid_arg("DLPack tensor's size overflows");
  std::int64_t expected = 1;
  for (int i = t.ndim - 1; t.strides != nullptr && *size > 0 && i >= 0; --i) {
    if (t.shape[i] != 1 && t.strides[i] != expected) {
      return invalid_arg(
          "DLPack tensor is not contiguous. Only contiguous DLPack tensors that are "
          "stored in C-Order are supported.");
    }
    expected *= t.shape[i];  // a factor of the size checked above
  }
  view.data = static_cast<const std::byte*>(t.data) + t.byte_offset;
  view.size_bytes = *size;
  return {};
}

}  // namespace penstock::binding
