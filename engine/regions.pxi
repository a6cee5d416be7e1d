# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Memory that clients share with the server (contract 1.9), and the engine's GPUs.
from libc.stdint cimport int64_t, uint64_t
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from engine cimport CEngine
from regions cimport DeviceUsage, RegionInfo
from shim cimport (
    add_cuda_region,
    device_memory,
    device_usage,
    has_devices,
    list_regions,
    remove_region,
)
from status cimport Status


cdef class SharedRegions:
    cdef shared_ptr[CEngine] engine

    def __init__(self, Engine engine not None):
        self.engine = engine.engine

    def register_cuda(
        self, str name not None, bytes handle not None, int64_t device, uint64_t size_bytes
    ):
        cdef string c_name = utf8(name)
        cdef string c_handle = handle
        cdef Status status
        with nogil:  # the driver maps memory
            status = add_cuda_region(
                deref(self.engine), c_name, c_handle, device, size_bytes
            )
        check(status)

    def unregister(self, bint cuda, str name not None):
        cdef string c_name = utf8(name)
        cdef Status status
        with nogil:  # the last one unmaps it
            status = remove_region(deref(self.engine), cuda, c_name)
        check(status)

    def list(self, bint cuda, str name not None):
        cdef vector[RegionInfo] infos
        check(list_regions(deref(self.engine), cuda, utf8(name), infos))
        return [
            {
                "name": infos[i].name.decode("utf-8", "replace"),
                "key": infos[i].key.decode("utf-8", "replace"),
                "offset": infos[i].offset,
                "device_id": infos[i].device,
                "byte_size": infos[i].size_bytes,
            }
            for i in range(infos.size())
        ]


def engine_has_devices(Engine engine not None):
    return has_devices(deref(engine.engine))


def device_pools(Engine engine not None):
    cdef vector[DeviceUsage] usage = device_usage(deref(engine.engine))
    return [
        {
            "device": usage[i].device,
            "pool_bytes": usage[i].pool_bytes,
            "in_use_bytes": usage[i].stats.in_use_bytes,
            "cached_bytes": usage[i].stats.cached_bytes,
        }
        for i in range(usage.size())
    ]


def gpu_memory(Engine engine not None, int device):
    cdef uint64_t free_bytes = 0
    cdef uint64_t total_bytes = 0
    cdef Status status
    with nogil:
        status = device_memory(deref(engine.engine), device, free_bytes, total_bytes)
    check(status)
    return (free_bytes, total_bytes)
