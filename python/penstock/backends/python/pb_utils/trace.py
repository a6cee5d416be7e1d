# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`InferenceTrace` of the `model.py` API (contract 5.1)."""

from __future__ import annotations

import json

from penstock import _engine
from penstock.telemetry.span_ids import SpanIds

_ids: SpanIds | None = None


def set_span_ids(ids: SpanIds | None) -> None:
    """Called at start, where traces are exported as OpenTelemetry's spans."""
    global _ids
    _ids = ids


def span_ids() -> SpanIds | None:
    """What was set."""
    return _ids


class InferenceTrace:
    """The trace that a request belongs to."""

    __slots__ = ("_link",)

    def __init__(self, link: _engine.TraceLink | None = None) -> None:
        self._link = link

    def get_context(self) -> str | None:
        """The OpenTelemetry context as JSON, for spans of the model's own.

        None when the request is not traced, or not in the mode `opentelemetry`.
        """
        if self._link is None or _ids is None:
            return None
        return json.dumps({"traceparent": _ids.traceparent(self._link)})
