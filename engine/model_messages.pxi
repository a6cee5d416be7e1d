# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# ModelRequest and ModelResponse: what `execute` of a `model.py` gets and gives; a batch as both.
#
# The API itself is written in Python, as subclasses; here is what every request goes through.
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libcpp.vector cimport vector

import logging

from penstock.types import DataType


cdef class ModelRequest:
    cdef tuple tensors
    cdef object batch  # by index: what was received. None: made by the model itself
    cdef Py_ssize_t index
    cdef public object _reply
    cdef public bint _rescheduled  # not answered, but executed again

    def __init__(self, inputs=()):
        self.tensors = checked_tensors(inputs, "inputs")

    def inputs(self):
        return list(self.tensors)

    @property
    def _received(self):
        return self.batch[self.index]

    def _keep(self, received):
        self.batch = {self.index: received}


cdef class ModelResponse:
    cdef tuple tensors
    cdef readonly object _error
    cdef readonly object _parameters

    def __init__(self, output_tensors=(), error=None, parameters=None):
        self.take(output_tensors, error, parameters)

    cdef int take(self, output_tensors, error, parameters) except -1:
        self.tensors = checked_tensors(output_tensors, "output_tensors")
        if error is not None or parameters is not None:
            self._error, self._parameters = self._checked(error, parameters)
        return 0

    def output_tensors(self):
        return list(self.tensors)


cdef tuple checked_tensors(object tensors, str what):
    cdef tuple copy = tuple(tensors)
    for tensor in copy:
        if not isinstance(tensor, ModelTensor):
            raise TypeError(f"{what} must hold Tensor objects, found {type(tensor)}")
    return copy


def model_requests(Batch batch not None, type request_type not None, type tensor_type not None):
    batch.check_active()
    cdef Py_ssize_t count = batch.batch.size()
    cdef list requests = PyList_New(count)
    cdef ModelRequest request
    cdef Py_ssize_t i
    for i in range(count):
        request = <ModelRequest?>bare(request_type)
        request.tensors = received_tensors(batch, i, tensor_type)
        request.batch = batch
        request.index = i
        Py_INCREF(request)  # the list takes it over
        PyList_SET_ITEM(requests, i, request)
    batch.batch.mark_exec_start()
    return requests


cdef tuple received_tensors(Batch batch, size_t index, type tensor_type):
    cdef tuple specs = batch.model.plan.inputs
    cdef Py_ssize_t count = batch.input_count(index)
    cdef tuple tensors = PyTuple_New(count)
    cdef uint32_t spec
    cdef Tensor wire
    cdef Py_ssize_t i
    for i in range(count):
        spec = batch.input_spec(index, i)
        wire = batch.input_tensor(index, spec)
        name = (<TensorSpec>specs[spec]).name
        if wire is None:
            raise UnavailableError(f"no memory for input '{name}' of model '{batch.model.name}'")
        tensor = received_tensor(tensor_type, name, wire)
        Py_INCREF(tensor)  # the tuple takes it over
        PyTuple_SET_ITEM(tensors, i, tensor)
    return tensors


def plain_responses(list requests not None, returned):
    if type(returned) is not list or len(<list>returned) != len(requests):
        return None
    cdef ModelRequest request
    cdef Py_ssize_t i
    for i in range(len(requests)):
        request = <ModelRequest?>requests[i]
        if request._reply is not None or request._rescheduled:
            return None
        if not isinstance((<list>returned)[i], ModelResponse):
            return None
    return list(<list>returned)


cdef object named(object tensors, object name):
    cdef ModelTensor tensor
    for tensor in tensors:
        if tensor._name == name:
            return tensor
    return None


def get_input_tensor_by_name(inference_request, name):
    if isinstance(inference_request, ModelRequest):
        return named((<ModelRequest>inference_request).tensors, name)
    return named(inference_request.inputs(), name)


def get_output_tensor_by_name(inference_response, name):
    if isinstance(inference_response, ModelResponse):
        return named((<ModelResponse>inference_response).tensors, name)
    return named(inference_response.output_tensors(), name)


def respond(Batch batch not None, list responses not None):
    batch.check_active()
    cdef size_t i
    cdef PyObject* item
    cdef ModelResponse response
    cdef bint alone
    cdef vector[char] given  # the outputs that a response has set
    cdef list failures = []
    for i in range(min(<size_t>len(responses), batch.batch.size())):
        item = borrowed_item(<PyObject*>responses, i)
        alone = has_one_owner(item)
        if <object>item is None:
            failures.append((i, None))
            continue
        response = <ModelResponse?>item
        if response._error is not None:
            failures.append((i, response._error))
            continue
        try:
            set_outputs(batch, i, response, alone, given)
        except BaseException as error:  # an element's __str__ is the model's own code
            failures.append((i, error))
    return failures


# Contract 5.1: an output goes out as it is. Its model's author is told, once an output.
cdef int tell_of_output(ModelPlan plan, uint32_t spec, const TensorView& view) except -1:
    if plan.plan.get().describes(spec, view.type, view.shape) or spec in plan.told:
        return 0
    plan.told.add(spec)
    said = plan.outputs[spec]
    logging.getLogger("penstock.backends.python").warning(
        "output '%s' of model '%s' has data type %s and shape %s; its configuration says %s and "
        "dims %s, and should be corrected",
        said.name,
        plan.name,
        DataType(type_of(view)).name,
        list(shape_tuple(view.shape)),
        DataType(said.data_type).name,
        list(said.dims),
    )
    return 0


# Outputs that the model has not are dropped here, those not asked for by the core.
cdef int set_outputs(
    Batch batch, size_t index, ModelResponse response, bint alone, vector[char]& given
) except -1:
    cdef dict numbers = batch.model.plan.output_numbers
    cdef Py_ssize_t position
    cdef uint32_t spec
    cdef TensorView view
    cdef BufferLease lease
    alone = alone and has_one_owner(<PyObject*>response.tensors)
    given.assign(len(numbers), 0)
    for position in range(len(response.tensors)):
        number = numbers.get((<ModelTensor>response.tensors[position])._name)
        if number is not None and not given[<size_t>number]:
            spec = number
            given[spec] = 1
            view = TensorView()
            outgoing(batch.model.engine.get(), response.tensors, position, alone, view, lease)
            check(batch.batch.set_output(index, spec, view, lease))
            tell_of_output(batch.model.plan, spec, view)
    batch.batch.answer(index)  # without outputs, too
    if response._parameters:
        for name, value in response._parameters.items():
            batch.set_parameter(index, name, value)
    return 0
