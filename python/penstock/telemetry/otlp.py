# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Traces as OpenTelemetry spans, exported as OTLP/HTTP JSON by a thread (contract 8.2).

A client's request is a span `InferRequest` with the frontend's events, in it one of the model's
name with its stages, and in that `compute`. Steps of ensembles are spans within their ensemble's.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.telemetry.span_ids import SpanIds
from penstock.telemetry.trace_file import Record

_LOGGER = logging.getLogger("penstock.telemetry.otlp")

_SERVER, _INTERNAL = 2, 1
_ERROR = 2
_POST_TIMEOUT_S = 10.0
_STAGES = ("REQUEST_START", "QUEUE_START", "INFER_RESPONSE_COMPLETE", "REQUEST_END")

Span = dict[str, Any]


class SpanMaker:
    """The spans of a trace. Pure."""

    def __init__(self, ids: SpanIds) -> None:
        self._ids = ids

    def spans(self, record: Record, clock_offset_ns: int) -> list[Span]:
        """`clock_offset_ns`: what to add to the stamps to get Unix time."""
        stamps = [(name, ns + clock_offset_ns) for name, ns in record["stamps"]]
        if not stamps:
            return []
        trace_id, outer = self._origin(record)
        spans = []
        if record["of_client"]:
            root = self._ids.span(record["id"], "root")
            events = [s for s in stamps if s[0].startswith(("HTTP_", "GRPC_"))]
            whole = (min(ns for _, ns in stamps), max(ns for _, ns in stamps))
            spans.append(_span("InferRequest", trace_id, root, outer, whole, events, _SERVER))
            outer = root
        model = self._ids.span(record["id"], "model")
        events = [s for s in stamps if s[0] in _STAGES and s[0] != "INFER_RESPONSE_COMPLETE"]
        spans.append(_span(record["model"], trace_id, model, outer, _extent(events), events))
        spans[-1]["attributes"] = _attributes(_model_attributes(record))
        compute = [s for s in stamps if s[0].startswith("COMPUTE_")]
        if compute:
            inner = self._ids.span(record["id"], "compute")
            spans.append(_span("compute", trace_id, inner, model, _extent(compute), compute))
        if record["error"]:
            for span in spans:
                span["status"] = {"code": _ERROR, "message": record["error"]}
        return spans

    def _origin(self, record: Record) -> tuple[str, str]:
        """The trace's id, and the span that this record's outermost one is in ("": none)."""
        context = record["context"]
        trace_id = self._ids.trace(record["root_id"], context)
        if record["parent_id"]:
            return trace_id, self._ids.span(record["parent_id"], "model")
        return trace_id, context.split("-")[2] if context else ""


def _extent(events: Sequence[tuple[str, int]]) -> tuple[int, int]:
    times = [ns for _, ns in events]
    return (min(times), max(times)) if times else (0, 0)


def _span(
    name: str,
    trace_id: str,
    span_id: str,
    parent: str,
    extent: tuple[int, int],
    events: Sequence[tuple[str, int]],
    kind: int = _INTERNAL,
) -> Span:
    span: Span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(extent[0]),
        "endTimeUnixNano": str(extent[1]),
        "events": [{"timeUnixNano": str(ns), "name": event} for event, ns in events],
    }
    if parent:
        span["parentSpanId"] = parent
    return span


def _model_attributes(record: Record) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "triton.model_name": record["model"],
        "triton.model_version": record["version"],
        "triton.trace_id": record["id"],
        "triton.trace_parent_id": record["parent_id"],
    }
    if record["request_id"]:
        attributes["triton.request_id"] = record["request_id"]
    return attributes


def _attributes(values: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)}}
        if isinstance(value, int)
        else {"key": key, "value": {"stringValue": value}}
        for key, value in values.items()
    ]


class OtlpExporter:
    """Sends spans in batches; a collector that does not take them costs spans, nothing else."""

    def __init__(
        self,
        url: str,
        resource: Mapping[str, str],
        ids: SpanIds,
        *,
        max_queue_size: int = 2048,
        schedule_delay_ms: int = 5000,
        max_batch_size: int = 512,
    ) -> None:
        self._url = url
        self._resource = {"service.name": "triton-inference-server", **resource}
        self._max_queue_size = max_queue_size
        self._delay_s = schedule_delay_ms / 1000.0
        self._max_batch_size = min(max_batch_size, max_queue_size)
        self._maker = SpanMaker(ids)
        self._queue: deque[Span] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self.dropped = 0
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="otlp-export", daemon=True)
        self._thread.start()

    def add(self, records: Sequence[Record]) -> None:
        """Queues the spans of traces; those that the queue has no room for are dropped."""
        offset_ns = time.time_ns() - time.monotonic_ns()
        spans = [span for record in records for span in self._maker.spans(record, offset_ns)]
        with self._changed:
            room = self._max_queue_size - len(self._queue)
            self._queue.extend(spans[:room])
            self.dropped += max(0, len(spans) - room)
            if len(self._queue) >= self._max_batch_size:
                self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Sends what is queued, for about that time."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._stopping:
                    self._changed.wait_for(
                        lambda: self._stopping or len(self._queue) >= self._max_batch_size,
                        self._delay_s,
                    )
                count = min(len(self._queue), self._max_batch_size)
                batch = [self._queue.popleft() for _ in range(count)]
                stopping = self._stopping
            if batch:
                self._send(batch)
            elif stopping:
                return

    def _send(self, spans: list[Span]) -> None:
        scope = {"scope": {"name": "triton-server"}, "spans": spans}
        resource = {"attributes": _attributes(self._resource)}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}
        # the scheme was checked with the options
        request = urllib.request.Request(  # noqa: S310
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_POST_TIMEOUT_S) as response:  # noqa: S310
                response.read()
            self._failing = False
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.dropped += len(spans)
            if not self._failing:  # once, not for each batch
                _LOGGER.error("cannot export traces to %s: %s", self._url, error)
            self._failing = True
