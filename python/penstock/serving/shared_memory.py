# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Memory that clients share with the server, by name (contract 1.9, H-16 to H-19, G-13 to G-18)."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock import _engine
from penstock._engine import Engine
from penstock.errors import InvalidArgError, UnsupportedError

_DISABLED = (
    "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable."
)
_NO_SYSTEM = "system shared memory is not available, only CUDA shared memory is"


class SharedMemory:
    """The regions of an engine. Mapping and unmapping may block, and runs on threads."""

    def __init__(self, engine: Engine, *, allowed: bool) -> None:
        """`allowed`: --allow-client-shm (SHM-1)."""
        self._regions = _engine.SharedRegions(engine)
        self._has_gpus = _engine.engine_has_devices(engine)
        self._allowed = allowed

    def status(self, name: str, *, cuda: bool) -> list[dict[str, Any]]:
        """SHM-4: name, key, offset, device_id and byte_size of one region, or of all (no name).

        Raises NotFoundError for a name that no region of the kind has.
        """
        return self._regions.list(cuda, name)

    async def register_system(self, name: str) -> None:
        """Raises UnsupportedError."""
        self._check_allowed()
        raise UnsupportedError(_NO_SYSTEM)

    def check_cuda(self, name: str) -> None:
        """Raises what registering it would, whatever its handle (SHM-1, SHM-3)."""
        self._check_allowed()
        if not name:
            raise InvalidArgError(
                "'region name' is necessary to register cuda shared memory region"
            )
        if not self._has_gpus:
            raise InvalidArgError(
                f"failed to register CUDA shared memory region: '{name}', GPUs not supported"
            )

    async def register_cuda(self, name: str, handle: bytes, device: int, size_bytes: int) -> None:
        """SHM-3. `handle`: a cudaIpcMemHandle_t. Raises InvalidArgError, AlreadyExistsError."""
        self.check_cuda(name)
        await asyncio.to_thread(self._regions.register_cuda, name, handle, device, size_bytes)

    async def unregister(self, name: str, *, cuda: bool) -> None:
        """SHM-5: one region, or all of the kind (no name); what is in use stays until then."""
        self._check_allowed()
        if cuda and name and not self._has_gpus:
            raise InvalidArgError(
                f"failed to unregister CUDA shared memory region: '{name}', GPUs not supported"
            )
        await asyncio.to_thread(self._regions.unregister, cuda, name)

    def _check_allowed(self) -> None:
        if not self._allowed:
            raise UnsupportedError(_DISABLED)
