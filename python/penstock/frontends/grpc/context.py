# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the handlers use of grpc.aio's ServicerContext, with types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from grpc import StatusCode


class Context(Protocol):
    """One call."""

    async def abort(self, code: StatusCode, details: str) -> NoReturn:
        """Ends the call with a status, by an exception."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """The request's metadata."""

    async def read(self) -> Any:
        """The next message of a stream, or grpc.aio.EOF."""

    async def write(self, message: bytes) -> None:
        """Sends a message of a stream; waits while the client does not read."""
