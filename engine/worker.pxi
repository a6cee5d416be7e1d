# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Instances in processes of their own: the server's end of each, and the worker's.
from libcpp.memory cimport shared_ptr

from worker cimport (
    CWorkerConnection,
    CWorkerLink,
    WorkerOptions,
    attach,
    c_die_with_parent,
    connect_worker,
    make_link,
)


cdef class WorkerConnection:
    cdef shared_ptr[CWorkerConnection] connection
    cdef WorkerLink link  # whose engine's pool its answers come from

    def __init__(self):
        raise TypeError("connections come from WorkerLink.connect()")

    def fileno(self):
        return self.connection.get().fd()

    def lost(self, str why not None):
        self.connection.get().lost(utf8(why))

    def close(self):
        self.connection.get().close()

    @property
    def in_flight(self):
        return self.connection.get().in_flight()

    @property
    def answered(self):
        return self.connection.get().answered()


cdef class WorkerLink:
    cdef shared_ptr[CWorkerLink] link
    cdef Engine engine

    def __init__(
        self,
        Engine engine not None,
        ModelPlan plan not None,
        str name not None,
        *,
        size_t initial_bytes,
        size_t growth_bytes,
        size_t max_bytes,
        double execute_timeout_s=0.0,
        bint idempotent=False,
        ModelCalls calls=None,
    ):
        cdef WorkerOptions options
        options.name = utf8(name)
        options.initial_bytes = initial_bytes
        options.growth_bytes = growth_bytes
        options.max_bytes = max_bytes
        options.execute_timeout_ns = <int64_t>(max(0.0, min(execute_timeout_s, 1e9)) * 1e9)
        options.idempotent = idempotent
        self.engine = engine
        cdef shared_ptr[CModelCalls] callees
        if calls is not None:
            callees = calls.calls
        self.link = make_link(plan.plan, deref(engine.engine), options, callees)

    def connect(self):
        cdef WorkerConnection made = WorkerConnection.__new__(WorkerConnection)
        check(connect_worker(deref(self.link), made.connection))
        made.link = self
        return made

    def serve(self, WorkerConnection connection not None, int pidfd):
        self.link.get().serve(connection.connection, pidfd)

    def refuse(self, str why not None):
        self.link.get().refuse(utf8(why))

    @property
    def ended(self):
        return self.link.get().ended()

    def instance(self):
        cdef NativeInstance instance = NativeInstance()
        instance.instance = self.link.get().instance()
        return instance


def attach_worker(int fd, ModelPlan plan not None, *, size_t initial_bytes, size_t growth_bytes):
    cdef ModelVersion model = ModelVersion.__new__(ModelVersion)
    cdef WorkerOptions options
    options.initial_bytes = initial_bytes
    options.growth_bytes = growth_bytes
    cdef CallPort port = CallPort.__new__(CallPort)
    check(attach(fd, plan.plan, options, model.engine, model.model, port.port))
    model.plan = plan
    port.owner = model
    return model, port


def die_with_parent(int parent):
    return c_die_with_parent(parent)
