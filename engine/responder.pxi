# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# ModelResponder: the responses of one request of a decoupled model, or the late one of another.
from libcpp.vector cimport vector

from backend cimport CResponder
from request cimport Parameter, Response
from shim cimport add_parameter_to, begin_response, code_of, defer, drop, fail_response, given_up


@cython.no_gc_clear  # see InferCall
cdef class ModelResponder:
    cdef CResponder responder
    cdef Response* begun  # to be filled and sent; kept when filling it fails
    cdef ModelVersion model
    cdef bint was_cancelled

    def __init__(self):
        raise TypeError("responders come from responders()")

    def __dealloc__(self):
        if self.begun != NULL:
            self.end(status_of(1, b"the model dropped a response that it did not send"))
        drop(self.responder)

    @property
    def finished(self):
        return self.responder.finished()

    @property
    def cancelled(self):
        if self.responder.finished():
            return self.was_cancelled
        return given_up(self.responder, self.model.engine.get().clock())

    def send(self, ModelResponse response not None, bint final):
        if self.begin(final):
            self.fill(response)
            self.give(final)

    def fail(self, int code, str message not None, bint final):
        if not 0 <= code < 9:
            raise InvalidArgError(f"{code} is no error code")
        if final:
            self.check_open()
            self.end(status_of(code, utf8(message)))
        elif self.begin(final):
            fail_response(deref(self.begun), code, utf8(message))
            self.give(final)

    def finish(self):
        self.check_open()
        self.end(status_of(7, b"") if self.responder.cancelled() else Status())

    cdef int check_open(self) except -1:
        if self.responder.finished():
            raise InvalidArgError("the final response has been sent")
        return 0

    # False: nobody waits for the response, and none need be made.
    cdef bint begin(self, bint final) except -1:
        cdef Status status
        cdef Response* begun = self.begun
        self.check_open()
        if begun == NULL:
            with nogil:
                status = begin_response(self.responder, begun)
            self.begun = begun
        if begun != NULL and not self.responder.cancelled():
            return True
        if not self.responder.cancelled():
            check(status)
        if final:
            self.end(status_of(7, b""))
        return False

    cdef int fill(self, ModelResponse response) except -1:
        cdef dict numbers = self.model.plan.output_numbers
        cdef vector[char] given
        cdef Py_ssize_t position
        cdef uint32_t spec
        cdef TensorView view
        cdef BufferLease lease
        cdef Parameter parameter
        given.assign(len(numbers), 0)
        for position in range(len(response.tensors)):
            number = numbers.get((<ModelTensor>response.tensors[position])._name)
            if number is not None and not given[<size_t>number]:
                spec = number
                given[spec] = 1
                view = TensorView()
                outgoing(
                    self.model.engine.get(), response.tensors, position, False, view, lease
                )
                check(self.responder.set_output(deref(self.begun), spec, view, lease))
                tell_of_output(self.model.plan, spec, view)
        if response._parameters:
            for name, value in response._parameters.items():
                set_value(parameter, value)
                parameter.name = utf8(name)
                add_parameter_to(deref(self.begun), parameter)
        return 0

    cdef void give(self, bint final):
        cdef Response* begun = self.begun
        if final:
            self.end(Status())
        else:
            self.begun = NULL
            self.responder.send(begun)

    # The final response: what was begun, if it is a success.
    cdef void end(self, Status status):
        cdef Response* begun = self.begun
        self.begun = NULL
        self.was_cancelled = self.responder.cancelled()
        self.responder.finish(begun, status)


def reschedule_deferred(Batch batch not None, Py_ssize_t index, ModelResponder responder not None):
    cdef size_t i = batch.check_index(index)
    if responder.begun != NULL:
        raise InternalError("a response of the request was begun and not sent")
    check(batch.batch.reschedule(i, &responder.responder))


def responder_of(Batch batch not None, Py_ssize_t index):
    cdef size_t i = batch.check_index(index)
    cdef ModelResponder responder
    if batch.batch.padding(i):
        return None
    responder = ModelResponder.__new__(ModelResponder)
    responder.model = batch.model
    defer(deref(batch.batch), i, responder.responder)
    return responder


def responders(Batch batch not None):
    return [responder_of(batch, i) for i in range(len(batch))]
