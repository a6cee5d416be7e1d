// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Who else can reach an object's memory, read off reference counts. These are only exact for
// borrowed references, which Cython's variables are not. With the GIL held; nothing blocks.
#pragma once

#include <Python.h>
#include <numpy/arrayobject.h>

namespace penstock::binding {

inline PyObject* borrowed_item(PyObject* sequence, Py_ssize_t i) {
  return PyList_Check(sequence) ? PyList_GET_ITEM(sequence, i) : PyTuple_GET_ITEM(sequence, i);
}

inline bool has_one_owner(PyObject* object) { return Py_REFCNT(object) == 1; }

// Only through the one reference that the caller knows of? Memory that is not numpy's says no: who
// has it, and what for, cannot be known.
inline bool owns_memory_alone(PyObject* object) {
  auto* array = reinterpret_cast<PyArrayObject*>(object);
  if (!has_one_owner(object)) return false;
  PyObject* base = PyArray_BASE(array);
  if (base == nullptr) return PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA);
  return PyArray_CheckExact(base) && has_one_owner(base) &&
         PyArray_CHKFLAGS(reinterpret_cast<PyArrayObject*>(base), NPY_ARRAY_OWNDATA);
}

}  // namespace penstock::binding
