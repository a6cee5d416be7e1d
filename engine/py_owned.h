// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// PyOwned: bytes of a Python object, as a Buffer of the core.
//
// The core may drop the last lease on a thread that has no GIL, and must not wait for it. So
// release only pushes the object on a list; whoever holds the GIL next and calls sweep() lets go of
// it. Thread safety: release from any thread; lend_* and sweep with the GIL held. Nothing blocks.
#pragma once

#include <Python.h>

#include <atomic>

#include "dlpack_abi.h"
#include "penstock/buffer.h"

namespace penstock::binding {

struct PyOwned : Buffer {
  Py_buffer view{};  // one of the three is set
  DLManagedTensor* managed = nullptr;
  PyObject* object = nullptr;
  PyOwned* next = nullptr;
};

class Graveyard {
 public:
  static Graveyard& instance() {
    static Graveyard graveyard;
    return graveyard;
  }

  // Lets go of what was buried before: however tensors come and go, a bounded number of objects
  // waits for that.
  PyOwned* make() {
    sweep();
    PyOwned* owned = free_;
    if (owned != nullptr) {
      free_ = owned->next;
    } else {
      owned = new PyOwned;
    }
    owned->refs.reset(1);  // not yet shared
    owned->release = &Graveyard::bury;
    owned->managed = nullptr;
    owned->memory = MemoryKind::kCpu;
    owned->device = 0;
    return owned;
  }

  void sweep() {
    // relaxed: a glance; what is missed now is swept by the next caller
    if (head_.load(std::memory_order_relaxed) == nullptr) return;
    // acquire: pairs with the release in bury()
    PyOwned* owned = head_.exchange(nullptr, std::memory_order_acquire);
    while (owned != nullptr) {
      PyOwned* next = owned->next;
      if (owned->object != nullptr) {
        Py_CLEAR(owned->object);
      } else if (owned->managed != nullptr) {
        if (owned->managed->deleter != nullptr) owned->managed->deleter(owned->managed);
      } else {
        PyBuffer_Release(&owned->view);
      }
      owned->next = free_;
      free_ = owned;
      owned = next;
    }
  }

 private:
  static void bury(Buffer* buffer) noexcept {
    auto* owned = static_cast<PyOwned*>(buffer);
    auto& head = instance().head_;
    owned->next = head.load(std::memory_order_relaxed);  // relaxed: only a guess for the exchange
    // release: the sweeper sees next; pairs with the acquire in sweep()
    while (!head.compare_exchange_weak(owned->next, owned, std::memory_order_release,
                                       std::memory_order_relaxed)) {
    }
  }

  std::atomic<PyOwned*> head_{nullptr};
  PyOwned* free_ = nullptr;  // under the GIL
};

// Lends the bytes of an object with a contiguous buffer; the object cannot be resized meanwhile. An
// empty lease, and a Python error set, when it has none.
inline BufferLease lend_buffer(PyObject* object) {
  PyOwned* owned = Graveyard::instance().make();
  if (PyObject_GetBuffer(object, &owned->view, PyBUF_SIMPLE) != 0) {
    owned->managed = nullptr;
    owned->view = Py_buffer{};  // PyBuffer_Release of it does nothing
    BufferLease::adopt(owned).reset();
    return {};
  }
  owned->data = static_cast<std::byte*>(owned->view.buf);
  owned->size_bytes = static_cast<std::size_t>(owned->view.len);
  return BufferLease::adopt(owned);
}

// Memory of a GPU that lives as long as an object does.
inline BufferLease lend_object(PyObject* object, void* memory, std::size_t size_bytes,
                               std::int32_t device) {
  PyOwned* owned = Graveyard::instance().make();
  Py_INCREF(object);
  owned->object = object;
  owned->data = static_cast<std::byte*>(memory);
  owned->size_bytes = size_bytes;
  owned->memory = MemoryKind::kGpu;
  owned->device = device;
  return BufferLease::adopt(owned);
}

// Takes over a DLPack tensor that lives in host memory.
inline BufferLease lend_dlpack(DLManagedTensor* managed, std::size_t size_bytes) {
  PyOwned* owned = Graveyard::instance().make();
  owned->managed = managed;
  owned->data = static_cast<std::byte*>(managed->dl_tensor.data) + managed->dl_tensor.byte_offset;
  owned->size_bytes = size_bytes;
  return BufferLease::adopt(owned);
}

inline void sweep() { Graveyard::instance().sweep(); }

}  // namespace penstock::binding
