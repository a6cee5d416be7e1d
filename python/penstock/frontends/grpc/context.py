# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the handlers use of grpc.aio's ServicerContext, with types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from google.protobuf.message import DecodeError
from grpc import StatusCode

from penstock._proto import inference_pb2

#: What is later is as good as no deadline.
_MAX_US = 1 << 52


class Context(Protocol):
    """One call."""

    async def abort(
        self,
        code: StatusCode,
        details: str,
        trailing_metadata: Sequence[tuple[str, str]] = (),
    ) -> NoReturn:
        """Ends the call with a status, by an exception."""

    def time_remaining(self) -> float | None:
        """Seconds until the call's deadline; None: it has none."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """The request's metadata."""

    async def read(self) -> Any:
        """The next message of a stream, or grpc.aio.EOF."""

    async def write(self, message: bytes) -> None:
        """Sends a message of a stream; waits while the client does not read."""


def timeout_us(context: Context) -> int:
    """Until the call's deadline, at least 1; 0 when it has none."""
    left_s = context.time_remaining()
    return 0 if left_s is None else max(1, min(int(left_s * 1e6), _MAX_US))


def model_of(message: bytes) -> str:
    """The name in a serialised ModelInferRequest; "" when it is none."""
    try:
        return inference_pb2.ModelInferRequest.FromString(message).model_name
    except DecodeError:
        return ""
