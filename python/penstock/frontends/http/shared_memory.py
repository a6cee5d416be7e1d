# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Shared memory of clients over HTTP (H-16 to H-19)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from aiohttp.web import BaseRequest

from penstock.errors import InvalidArgError
from penstock.frontends.http.json_body import read_json_object
from penstock.frontends.http.reply import Reply, json_reply
from penstock.serving.shared_memory import SharedMemory

_SHOWN: Final = {
    True: ("name", "device_id", "byte_size"),
    False: ("name", "key", "offset", "byte_size"),
}
_BAD_HANDLE: Final = "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t"


class SharedMemoryHandlers:
    """The routes of one kind of memory. All raise ServerError."""

    def __init__(self, memory: SharedMemory, *, cuda: bool, max_input_bytes: int) -> None:
        self._memory = memory
        self._cuda = cuda
        self._max_input_bytes = max_input_bytes
        #: where they are, below /v2
        self.path = "cudasharedmemory" if cuda else "systemsharedmemory"

    async def status(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """SHM-4."""
        regions = self._memory.status(parameters.get("region", ""), cuda=self._cuda)
        return json_reply([{key: region[key] for key in _SHOWN[self._cuda]} for region in regions])

    async def register(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """SHM-2, SHM-3."""
        name = parameters.get("region", "")
        if not self._cuda:
            await self._memory.register_system(name)
            return json_reply({})
        self._memory.check_cuda(name)
        body = await read_json_object(request, self._max_input_bytes)
        handle = _handle(_field(body, "raw_handle"))
        device = _count(body, "device_id")
        await self._memory.register_cuda(name, handle, device, _count(body, "byte_size"))
        return json_reply({})

    async def unregister(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """SHM-5."""
        await self._memory.unregister(parameters.get("region", ""), cuda=self._cuda)
        return json_reply({})


def _field(body: dict[str, Any], name: str) -> Any:
    if name not in body:
        raise InvalidArgError(f"Shared memory register request has no '{name}' field")
    return body[name]


def _count(body: dict[str, Any], name: str) -> int:
    value = _field(body, name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise InvalidArgError(f"Unable to parse '{name}': expected an unsigned integer")
    return value


def _handle(value: Any) -> bytes:
    text = value.get("b64") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InvalidArgError(_BAD_HANDLE)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgError(_BAD_HANDLE) from None
