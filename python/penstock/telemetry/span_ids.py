# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The ids of spans (contract 8.2): made of the traces' numbers, so that no span waits for another.

A worker process makes those of its server: a model may begin spans of its own within the server's.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final, Protocol


class Link(Protocol):
    """A trace, as its children need it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def root_id(self) -> int:
        """The number of the trace of the client's request."""

    @property
    def context(self) -> str:
        """The W3C traceparent of the client's request; "" when it has none."""


class SpanIds:
    """Pure, but for the seed that tells this server's ids from others'."""

    def __init__(self, seed: bytes | None = None) -> None:
        self.seed: Final = seed or os.urandom(16)

    def span(self, number: int, what: str) -> str:
        """Of a span of the trace of that number: `root`, `model` or `compute`; 16 digits."""
        return self._id(number, what, 8)

    def trace(self, root_id: int, context: str) -> str:
        """Of the whole trace: the client's, where it has a context; 32 digits."""
        return context.split("-")[1] if context else self._id(root_id, "trace", 16)

    def traceparent(self, link: Link) -> str:
        """The context of what a model does while it computes (W3C Trace Context)."""
        flags = link.context.split("-")[3] if link.context else "01"
        trace_id = self.trace(link.root_id, link.context)
        return f"00-{trace_id}-{self.span(link.id, 'compute')}-{flags}"

    def _id(self, number: int, what: str, size: int) -> str:
        text = self.seed + f"{number} {what}".encode()
        return hashlib.blake2b(text, digest_size=size).hexdigest()
