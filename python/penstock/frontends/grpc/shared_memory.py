# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Shared memory of clients over gRPC (G-13 to G-18)."""

from __future__ import annotations

from penstock._proto import inference_pb2
from penstock.serving.shared_memory import SharedMemory


class SharedMemoryRpcs:
    """One coroutine an RPC: takes the request message, returns the reply, raises ServerError."""

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory

    async def system_status(
        self, request: inference_pb2.SystemSharedMemoryStatusRequest
    ) -> inference_pb2.SystemSharedMemoryStatusResponse:
        """G-13."""
        reply = inference_pb2.SystemSharedMemoryStatusResponse()
        for region in self._memory.status(request.name, cuda=False):
            status = reply.regions[region["name"]]
            status.name = region["name"]
            status.key = region["key"]
            status.offset = region["offset"]
            status.byte_size = region["byte_size"]
        return reply

    async def system_register(
        self, request: inference_pb2.SystemSharedMemoryRegisterRequest
    ) -> inference_pb2.SystemSharedMemoryRegisterResponse:
        """G-14."""
        await self._memory.register_system(request.name)
        return inference_pb2.SystemSharedMemoryRegisterResponse()

    async def system_unregister(
        self, request: inference_pb2.SystemSharedMemoryUnregisterRequest
    ) -> inference_pb2.SystemSharedMemoryUnregisterResponse:
        """G-15."""
        await self._memory.unregister(request.name, cuda=False)
        return inference_pb2.SystemSharedMemoryUnregisterResponse()

    async def cuda_status(
        self, request: inference_pb2.CudaSharedMemoryStatusRequest
    ) -> inference_pb2.CudaSharedMemoryStatusResponse:
        """G-16."""
        reply = inference_pb2.CudaSharedMemoryStatusResponse()
        for region in self._memory.status(request.name, cuda=True):
            status = reply.regions[region["name"]]
            status.name = region["name"]
            status.device_id = region["device_id"]
            status.byte_size = region["byte_size"]
        return reply

    async def cuda_register(
        self, request: inference_pb2.CudaSharedMemoryRegisterRequest
    ) -> inference_pb2.CudaSharedMemoryRegisterResponse:
        """G-17."""
        await self._memory.register_cuda(
            request.name, request.raw_handle, request.device_id, request.byte_size
        )
        return inference_pb2.CudaSharedMemoryRegisterResponse()

    async def cuda_unregister(
        self, request: inference_pb2.CudaSharedMemoryUnregisterRequest
    ) -> inference_pb2.CudaSharedMemoryUnregisterResponse:
        """G-18."""
        await self._memory.unregister(request.name, cuda=True)
        return inference_pb2.CudaSharedMemoryUnregisterResponse()
