// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Vectorcalls of classes, as CPython's `tp_vectorcall` has them. With the GIL held.
#pragma once

#include <Python.h>

namespace penstock::binding {

using TypeCall = PyObject* (*)(PyObject*, PyObject**, std::size_t, PyObject*);

// Not inherited: a subclass with an __init__ of its own is called as ever.
inline void set_vectorcall(PyObject* type, TypeCall call) {
  reinterpret_cast<PyTypeObject*>(type)->tp_vectorcall = reinterpret_cast<vectorcallfunc>(call);
}

inline Py_ssize_t argument_count(std::size_t flags) { return PyVectorcall_NARGS(flags); }

// Is this one keyword, and no other, given?
inline bool is_word(PyObject* words, const char* name) {
  return words != nullptr && PyTuple_GET_SIZE(words) == 1 &&
         PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(words, 0), name) == 0;
}

// What a call does without a vectorcall: __new__ and __init__.
inline PyObject* called_by_type(PyObject* type, PyObject** args, std::size_t flags,
                                PyObject* words) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  PyObject* positional = PyTuple_New(count);
  PyObject* named = words != nullptr ? PyDict_New() : nullptr;
  PyObject* made = nullptr;
  bool ok = positional != nullptr && (words == nullptr || named != nullptr);
  for (Py_ssize_t i = 0; ok && i < count; ++i) {
    Py_INCREF(args[i]);
    PyTuple_SET_ITEM(positional, i, args[i]);
  }
  for (Py_ssize_t i = 0; ok && words != nullptr && i < PyTuple_GET_SIZE(words); ++i) {
    ok = PyDict_SetItem(named, PyTuple_GET_ITEM(words, i), args[count + i]) == 0;
  }
  if (ok) made = PyType_Type.tp_call(type, positional, named);
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return made;
}

}  // namespace penstock::binding
