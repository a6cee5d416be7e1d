# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# HttpCodec, GrpcCodec, InferCall and InferReply: one request from message to message, or messages.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint64_t
from libcpp.memory cimport unique_ptr

from buffer cimport BufferLease
from codec cimport CGrpcCodec, CHttpCodec, Reply, c_encode_http_error
from engine cimport CEngine
from request cimport Parameter, Request, Response
from shim cimport (
    after_us,
    append_parameter,
    bind_grpc,
    deadline_of,
    decode_grpc,
    decode_http,
    header_length,
    join,
    lend_buffer,
    make_grpc_codec,
    make_http_codec,
    sweep,
    version_of,
)
from status cimport Status

# A body this large is decoded without the GIL; smaller ones cost less than taking it again.
cdef enum:
    NOGIL_BYTES = 262144


# Without tp_clear, here and in Batch and Codec: a collector that breaks a cycle around one must not
# take away the engine that its end still needs.
@cython.no_gc_clear
cdef class InferCall:
    cdef Request* request
    cdef Engine engine
    cdef CompletionPort port  # alive until the answer is in, even if its loop has let go of it
    cdef Codec codec
    cdef object future   # of a call that is answered once
    cdef object deliver  # of a stream: called with each response, to the final one
    cdef bint stream
    cdef bint in_flight

    def __init__(self):
        raise TypeError("calls come from a codec's submit()")

    def __dealloc__(self):
        self.release()

    cdef void release(self) noexcept:
        if self.request != NULL and not self.in_flight:
            self.engine.engine.get().release(self.request)
            self.request = NULL
            sweep()

    cdef int arrived(self, Response* response) except -1:
        cdef InferReply reply
        deliver = self.deliver
        if deliver is None:
            return self.finish()
        reply = InferReply.__new__(InferReply)
        reply.response = response
        reply.call = self
        if response.final:
            self.deliver = None
            self.in_flight = False
            Py_DECREF(self)
        deliver(reply)
        return 0

    # The count that send() takes is given back with the (last) answer.
    cdef int finish(self) except -1:
        self.in_flight = False
        future = self.future
        self.future = None
        Py_DECREF(self)
        if not future.done():
            future.set_result(None)
        return 0

    def cancel(self):
        if self.request != NULL:
            self.engine.engine.get().cancel(self.request.handle())

    @property
    def decoupled(self):
        return self.request != NULL and self.request.plan().decoupled

    def encode(self):
        if self.request == NULL or self.in_flight or self.stream:
            raise InvalidArgError("the call is not finished, or was encoded already")
        try:
            check(self.request.response.status)
            return self.codec.encode(self.request.response)
        finally:
            self.release()


# It holds its call, and with that the request, until it is released itself.
@cython.no_gc_clear
cdef class InferReply:
    cdef Response* response
    cdef readonly InferCall call

    def __init__(self):
        raise TypeError("replies come from a call")

    def __dealloc__(self):
        self.release()

    cdef int check_held(self) except -1:
        if self.response == NULL:
            raise InvalidArgError("the reply has been released")
        return 0

    @property
    def final(self):
        self.check_held()
        return self.response.final

    @property
    def dropped(self):
        self.check_held()
        return self.response.flags_only and not self.response.request.wants_empty_final

    @property
    def source(self):
        self.check_held()
        cdef Request* request = self.response.request
        return (
            request.plan().name.decode("utf-8", "replace"),
            str(request.plan().version),
            request.id.decode("utf-8", "replace"),
        )

    def encode(self):
        self.check_held()
        check(self.response.status)
        return self.call.codec.encode(deref(self.response))[0]

    cpdef void release(self) noexcept:
        if self.response == NULL:
            return
        if not self.response.final:
            self.call.engine.engine.get().release(self.response)
        self.response = NULL
        self.call = None


@cython.no_gc_clear
cdef class Codec:
    """What both protocols share. One event loop's."""

    cdef Engine engine
    cdef CompletionPort port
    cdef Reply reply

    cdef InferCall new_call(self, parameters, str trace_context):
        cdef InferCall call = InferCall.__new__(InferCall)
        cdef CEngine* engine = self.engine.engine.get()
        cdef Request* request = engine.acquire()
        if request == NULL:
            raise UnavailableError("too many requests in flight, raise --max-requests")
        call.engine = self.engine
        call.request = request
        call.port = self.port
        call.codec = self
        request.completion = self.port.ring.get()
        request.tag = <void*>call
        request.times.received = engine.clock().now_ns()
        if trace_context:
            request.trace_context = utf8(trace_context)
        cdef Parameter parameter
        for name, value in parameters:
            set_value(parameter, value)
            parameter.name = utf8(<str?>name)
            append_parameter(deref(request), parameter)
        return call

    cdef int send(self, InferCall call) except -1:
        cdef CEngine* engine = self.engine.engine.get()
        call.request.times.decoded = engine.clock().now_ns()
        # Taken back by finish(), or here when the core refuses.
        call.in_flight = True
        Py_INCREF(call)
        try:
            check(engine.submit(deref(call.request)))
        except BaseException:
            call.in_flight = False
            Py_DECREF(call)
            raise
        return 0

    # Each protocol's own: the message of a successful response, in self.reply.
    cdef int write(self, const Response& response) except -1:
        raise InternalError("a codec of no protocol")

    cdef tuple encode(self, const Response& response):
        cdef bytes message
        if response.final:
            response.request.mark_sending(self.engine.engine.get().clock())
        try:
            self.write(response)
            message = PyBytes_FromStringAndSize(NULL, self.reply.total_bytes)
            join(self.reply, PyBytes_AS_STRING(message))
            return message, (<int64_t>self.reply.json_bytes if self.reply.has_binary else -1)
        finally:
            self.reply.clear()  # what it has converted goes back to the pool


@cython.no_gc_clear
cdef class HttpCodec(Codec):
    cdef unique_ptr[CHttpCodec] codec

    def __cinit__(
        self,
        Engine engine not None,
        CompletionPort port not None,
        *,
        uint64_t max_input_bytes=67108864,
    ):
        self.engine = engine
        self.port = port
        self.codec = make_http_codec(deref(engine.engine), max_input_bytes)

    def submit(
        self,
        str model not None,
        int64_t version,
        body,
        json_bytes,
        future,
        *,
        parameters=(),
        str trace_context not None="",
        int64_t received_ns=0,
        deadline=None,
    ):
        cdef InferCall call = self.new_call(parameters, trace_context)
        call.future = future
        self.set_deadline(call, received_ns, deadline)
        self.start(call, model, version, body, json_bytes)
        return call

    def submit_stream(
        self,
        str model not None,
        int64_t version,
        body,
        deliver,
        *,
        parameters=(),
        str trace_context not None="",
        int64_t received_ns=0,
        deadline=None,
    ):
        cdef InferCall call = self.new_call(parameters, trace_context)
        call.deliver = deliver
        call.stream = True
        self.set_deadline(call, received_ns, deadline)
        self.start(call, model, version, body, None)
        return call

    # Of the header Penstock-Deadline-Ms.
    cdef int set_deadline(self, InferCall call, int64_t received_ns, deadline) except -1:
        if received_ns > 0:
            call.request.times.received = received_ns
        if deadline is not None:
            check(deadline_of(utf8(<str?>deadline), deref(call.request)))
        return 0

    cdef int start(self, InferCall call, str model, int64_t version, body, json_bytes) except -1:
        cdef BufferLease owner = lend_buffer(<PyObject*>body)
        cdef Status status
        cdef bint sized = json_bytes is not None
        cdef uint64_t json_size = json_bytes if sized else 0
        cdef bint stream = call.stream
        cdef Request* request = call.request
        cdef CHttpCodec* codec = self.codec.get()
        check(self.engine.engine.get().bind(deref(request), utf8(model), version))
        if owner.get().size_bytes < NOGIL_BYTES:
            check(decode_http(deref(codec), sized, json_size, owner, deref(request), stream))
        else:
            with nogil:
                status = decode_http(
                    deref(codec), sized, json_size, owner, deref(request), stream
                )
            check(status)
        return self.send(call)

    cdef int write(self, const Response& response) except -1:
        return check(self.codec.get().encode(response, self.reply))


@cython.no_gc_clear
cdef class GrpcCodec(Codec):
    cdef unique_ptr[CGrpcCodec] codec

    def __cinit__(self, Engine engine not None, CompletionPort port not None):
        self.engine = engine
        self.port = port
        self.codec = make_grpc_codec(deref(engine.engine))

    def submit(
        self,
        message,
        future,
        *,
        parameters=(),
        str trace_context not None="",
        uint64_t timeout_us=0,
    ):
        cdef InferCall call = self.new_call(parameters, trace_context)
        if timeout_us > 0:
            call.request.deadline_ns = after_us(call.request.times.received, timeout_us)
        call.future = future
        self.start(call, message, False)
        return call

    def submit_stream(
        self,
        message,
        deliver,
        *,
        parameters=(),
        str trace_context not None="",
        uint64_t timeout_us=0,
    ):
        cdef InferCall call = self.new_call(parameters, trace_context)
        if timeout_us > 0:
            call.request.deadline_ns = after_us(call.request.times.received, timeout_us)
        call.deliver = deliver
        call.stream = True
        self.start(call, message, True)
        return call

    cdef int start(self, InferCall call, message, bint stream) except -1:
        cdef BufferLease owner = lend_buffer(<PyObject*>message)
        cdef CGrpcCodec* codec = self.codec.get()
        check(bind_grpc(deref(codec), deref(self.engine.engine), owner, deref(call.request)))
        check(decode_grpc(deref(codec), owner, deref(call.request), stream))
        return self.send(call)

    cdef int write(self, const Response& response) except -1:
        return check(self.codec.get().encode(response, self.reply))


def encode_http_error(str message not None):
    return <bytes>c_encode_http_error(utf8(message))


def parse_header_length(str value not None, uint64_t content_length):
    cdef uint64_t length = 0
    check(header_length(utf8(value), content_length, length))
    return length


def parse_version(str text not None):
    cdef int64_t version = -1
    check(version_of(utf8(text), version))
    return version
