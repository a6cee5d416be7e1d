# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Batch and BatchRequest: what a Python back end executes.
from libc.stdint cimport uint32_t
from libcpp.memory cimport unique_ptr

from backend cimport CBatch
from plan cimport CModelPlan
from request cimport Parameter, Request
from shim cimport (
    add_parameter,
    bool_of,
    double_of,
    int_of,
    kind_of,
    set_bool,
    set_double,
    set_int,
    set_string,
    stream_of,
    string_of,
    time_left_us,
    uint_of,
)
from trace cimport TraceLink as CTraceLink, context_of, take_link


# What requests that a traced request causes need of its trace (contract 5.1).
cdef class TraceLink:
    cdef CTraceLink link

    def __init__(self):
        raise TypeError("links come from requests of a Batch")

    @property
    def id(self):
        return self.link.id

    @property
    def root_id(self):
        return self.link.root_id

    @property
    def context(self):
        return context_of(self.link).decode("utf-8", "replace")


cdef object parameter_value(const Parameter& parameter):
    cdef int kind = kind_of(parameter)
    if kind == 0:
        return bool_of(parameter)
    if kind == 1:
        return int_of(parameter)
    if kind == 2:
        return uint_of(parameter)
    if kind == 3:
        return double_of(parameter)
    return string_of(parameter).decode("utf-8", "replace")


cdef int set_value(Parameter& parameter, object value) except -1:
    if isinstance(value, bool):
        set_bool(parameter, value)
    elif isinstance(value, int):
        set_int(parameter, value)
    elif isinstance(value, float):
        set_double(parameter, value)
    elif isinstance(value, str):
        set_string(parameter, utf8(<str>value))
    else:
        raise InvalidArgError(
            f"a parameter must be bool, int, float or str, got {type(value).__name__}"
        )
    return 0


cdef Batch new_batch(ModelVersion model, uint32_t index):
    cdef Batch batch = Batch.__new__(Batch)
    if model.spare.empty():
        batch.owned.reset(new CBatch())
    else:
        batch.owned = move(model.spare.back())
        model.spare.pop_back()
    batch.batch = batch.owned.get()
    batch.model = model
    batch.index = index
    return batch


@cython.no_gc_clear  # see InferCall
cdef class Batch:
    cdef unique_ptr[CBatch] owned
    cdef CBatch* batch
    cdef ModelVersion model
    cdef uint32_t index  # of the instance that executes it
    cdef bint active

    def __init__(self):
        raise TypeError("batches come from ModelVersion.next()")

    def __dealloc__(self):
        # A batch dropped while executing: its requests must still be answered.
        if self.active:
            self.batch.fail_all(status_of(1, b"the instance dropped the batch without answering"))
            self.model.model.get().complete(self.index, deref(self.batch))

    cdef int check_active(self) except -1:
        if not self.active:
            raise InvalidArgError("the batch has been completed")
        return 0

    cdef size_t check_index(self, Py_ssize_t index) except? 0xFFFFFFFF:
        self.check_active()
        if not 0 <= index < <Py_ssize_t>self.batch.size():
            raise IndexError(f"batch of {self.batch.size()} has no request {index}")
        return <size_t>index

    cdef uint32_t output_index(self, str name) except? 0xFFFFFFFF:
        self.check_active()
        spec = self.model.plan.output_numbers.get(name)
        if spec is None:
            raise InternalError(
                f"unexpected output '{name}', model '{self.model.name}' has no such output"
            )
        return spec

    cdef Tensor input_tensor(self, size_t index, uint32_t spec):
        cdef Tensor tensor = Tensor.__new__(Tensor)
        if not self.batch.input(index, spec, tensor.view, &tensor.lease):
            return None
        tensor.engine = self.model.engine
        return tensor

    # Where the inputs of a sequence's row begin: batch inputs, which no row has, stand before them.
    cdef size_t row_inputs(self):
        cdef const CModelPlan* plan = &self.batch.plan()
        return plan.client_inputs() + plan.batch_inputs.size()

    # The inputs that a row has: as its client sent them, then those of its sequence.
    cdef size_t input_count(self, size_t index):
        return (
            self.batch.request(index).inputs.size()
            + self.batch.plan().inputs.size()
            - self.row_inputs()
        )

    cdef uint32_t input_spec(self, size_t index, size_t position):
        cdef Request* request = &self.batch.request(index)
        if position < request.inputs.size():
            return request.inputs[position].spec
        return <uint32_t>(self.row_inputs() + position - request.inputs.size())

    def __len__(self):
        return self.batch.size() if self.active else 0

    def __getitem__(self, Py_ssize_t index):
        cdef BatchRequest request = BatchRequest.__new__(BatchRequest)
        request.request = &self.batch.request(self.check_index(index))
        request.index = index
        request.batch = self
        request.padding = self.batch.padding(request.index)
        return request

    @property
    def total_batch_size(self):
        return self.batch.total_batch_size() if self.active else 0

    @property
    def device(self):
        return self.batch.device() if self.active else -1

    @property
    def stream(self):
        return stream_of(deref(self.batch)) if self.active else 0

    cdef Tensor gathered(self, uint32_t spec):
        cdef Tensor tensor = Tensor.__new__(Tensor)
        check(self.batch.gather(spec, tensor.view, &tensor.lease))
        if type_of(tensor.view) == 0:
            return None
        tensor.engine = self.model.engine
        return tensor

    def gather(self, str name not None):
        self.check_active()
        cdef int spec = self.batch.plan().find_model_input(utf8(name))
        if spec < 0:
            raise InternalError(f"model '{self.model.name}' has no input '{name}'")
        return self.gathered(<uint32_t>spec)

    def gather_all(self):
        self.check_active()
        cdef dict inputs = {}
        cdef uint32_t i
        for i, spec in enumerate(self.model.plan.inputs):
            tensor = self.gathered(i)
            if tensor is not None:
                inputs[(<TensorSpec>spec).name] = tensor
        return inputs

    def scatter(self, str name not None, value):
        self.check_active()
        cdef Tensor tensor = as_tensor(value)
        check(self.batch.scatter(self.output_index(name), tensor.view, tensor.lease))

    def wanted_outputs(self):
        self.check_active()
        cdef list names = []
        cdef uint32_t i
        for i, spec in enumerate(self.model.plan.outputs):
            if self.batch.wants_output(i):
                names.append((<TensorSpec>spec).name)
        return names

    def set_output(self, Py_ssize_t index, str name not None, value):
        cdef size_t i = self.check_index(index)
        cdef Tensor tensor = as_tensor(value)
        check(self.batch.set_output(i, self.output_index(name), tensor.view, tensor.lease))

    def set_parameter(self, Py_ssize_t index, str name not None, value):
        cdef Parameter parameter
        cdef size_t i = self.check_index(index)
        set_value(parameter, value)
        parameter.name = utf8(name)
        if not self.batch.padding(i):
            add_parameter(self.batch.request(i), parameter)

    def answer(self, Py_ssize_t index):
        self.batch.answer(self.check_index(index))

    def reschedule(self, Py_ssize_t index):
        check(self.batch.reschedule(self.check_index(index)))

    def fail(self, Py_ssize_t index, int code, str message not None):
        if not 0 <= code < 8:
            raise InvalidArgError(f"{code} is no error code")
        self.batch.fail(self.check_index(index), status_of(code, utf8(message)))

    def fail_all(self, int code, str message not None):
        self.check_active()
        if not 0 <= code < 8:
            raise InvalidArgError(f"{code} is no error code")
        self.batch.fail_all(status_of(code, utf8(message)))

    def mark_exec_start(self):
        self.check_active()
        self.batch.mark_exec_start()

    def mark_exec_end(self):
        self.check_active()
        self.batch.mark_exec_end()


cdef class BatchRequest:
    cdef Request* request
    cdef size_t index
    cdef Batch batch
    cdef readonly bint padding

    def __init__(self):
        raise TypeError("requests come from a Batch")

    cdef Request* live(self) except NULL:
        self.batch.check_active()
        return self.request

    @property
    def id(self):
        return "" if self.padding else self.live().id.decode("utf-8", "replace")

    @property
    def correlation_id(self):
        cdef Request* request = self.live()
        if self.padding:
            return 0
        if not request.correlation_id_string.empty():
            return request.correlation_id_string.decode("utf-8", "replace")
        return request.correlation_id

    @property
    def flags(self):
        return 0 if self.padding else self.live().flags

    @property
    def priority(self):
        return self.live().priority

    @property
    def timeout_us(self):
        return time_left_us(deref(self.live()), self.batch.model.engine.get().clock())

    @property
    def batch_size(self):
        return self.live().batch_size

    @property
    def parameters(self):
        cdef Request* request = self.live()
        cdef size_t i
        cdef dict values = {}
        for i in range(request.parameters.size()):
            values[request.parameters[i].name.decode("utf-8", "replace")] = parameter_value(
                request.parameters[i]
            )
        return values

    @property
    def requested_outputs(self):
        cdef Request* request = self.live()
        cdef tuple outputs = self.batch.model.plan.outputs
        if request.outputs.size() == 0:
            return [
                (<TensorSpec>spec).name for spec in outputs[: request.plan().client_outputs()]
            ]
        return [
            (<TensorSpec>outputs[request.outputs[i].spec]).name
            for i in range(request.outputs.size())
        ]

    @property
    def cancelled(self):
        cdef Request* request = self.live()
        return not self.padding and request.given_up(
            self.batch.model.engine.get().clock().now_ns()
        )

    @property
    def trace(self):
        cdef TraceLink link = TraceLink.__new__(TraceLink)
        return link if not self.padding and take_link(deref(self.live()), link.link) else None

    def inputs(self):
        self.live()
        cdef tuple specs = self.batch.model.plan.inputs
        cdef uint32_t spec
        cdef size_t i
        cdef Tensor tensor
        cdef list inputs = []
        for i in range(self.batch.input_count(self.index)):
            spec = self.batch.input_spec(self.index, i)
            tensor = self.batch.input_tensor(self.index, spec)
            if tensor is not None:
                inputs.append(((<TensorSpec>specs[spec]).name, tensor))
        return inputs

    def input(self, str name not None):
        cdef Request* request = self.live()
        cdef int spec = request.plan().find_model_input(utf8(name))
        return None if spec < 0 else self.batch.input_tensor(self.index, <uint32_t>spec)
