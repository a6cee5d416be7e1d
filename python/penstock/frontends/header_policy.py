# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a frontend does with headers beside its protocol's own (contract 1.14, 1.15, T-22)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock._engine import HeaderForwarding, HeaderRules

TRACE_CONTEXT: Final = "traceparent"


@dataclass(frozen=True)
class HeaderPolicy:
    """Of one protocol. The default looks at no header."""

    #: API -> name and value of the header that it needs
    restricted: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    forwarding: HeaderForwarding | None = None
    #: traces of requests belong to their clients' traces
    trace_context: bool = False

    def missing(self, api: str, get: Callable[[str], str | None]) -> str:
        """The header that a request lacks for this API; "" when it may. `get`: by name."""
        required = self.restricted.get(api)
        if required is None or get(required[0]) == required[1]:
            return ""
        return required[0]

    @property
    def looks_at_inference(self) -> bool:
        """Whether parameters() or context() may find anything."""
        return self.forwarding is not None or self.trace_context

    def parameters(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those that become parameters. Raises InvalidArgError for a reserved name."""
        return [] if self.forwarding is None else self.forwarding.select(headers)

    def context(self, headers: Iterable[tuple[str, str]]) -> str:
        """The W3C traceparent, "" when there is none or nobody asks."""
        if not self.trace_context:
            return ""
        found = (value for name, value in headers if name.lower() == TRACE_CONTEXT)
        return next(found, "")

    def rules(self) -> HeaderRules:
        """The same for a native door, which answers health checks and inference itself."""
        return HeaderRules(
            for_health=self.restricted.get("health"),
            for_inference=self.restricted.get("inference"),
            forwarding=self.forwarding,
            trace_context=self.trace_context,
        )
