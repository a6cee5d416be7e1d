# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Quick calls of the classes Tensor and InferenceResponse: in their usual forms no tuple and no dict
# is made of the arguments. That is half of what such an object costs.
from cpython.ref cimport PyObject

from shim cimport argument_count, called_by_type, is_word, set_vectorcall


cdef object call_tensor(object subclass, PyObject** args, size_t count, PyObject* words):
    if words != NULL or argument_count(count) != 2:
        return called_by_type(<PyObject*>subclass, args, count, words)
    cdef ModelTensor tensor = <ModelTensor>bare(subclass)
    tensor.take(<object>args[0], <object>args[1])
    return tensor


cdef object call_response(object subclass, PyObject** args, size_t count, PyObject* words):
    cdef bint usual = argument_count(count) == 1 and words == NULL or (
        argument_count(count) == 0 and is_word(words, "output_tensors")
    )
    if not usual:
        return called_by_type(<PyObject*>subclass, args, count, words)
    cdef ModelResponse response = <ModelResponse>bare(subclass)
    response.take(<object>args[0], None, None)
    return response


def called_quickly(type subclass not None):
    if issubclass(subclass, ModelTensor):
        set_vectorcall(<PyObject*>subclass, call_tensor)
    elif issubclass(subclass, ModelResponse):
        set_vectorcall(<PyObject*>subclass, call_response)
    return subclass
