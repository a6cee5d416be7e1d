# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Brings traces from the engine to files or to an OpenTelemetry collector, on a thread of its own.

The engine's queue is bounded, and so is everything here: what cannot be kept is dropped, and the
log says how much at the end.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import groupby

from penstock._engine import Engine, EngineTracer
from penstock.backends.python.pb_utils.trace import set_span_ids
from penstock.config.trace_settings import OPENTELEMETRY, TraceConfig
from penstock.serving.trace_control import TraceValues
from penstock.telemetry.otlp import OtlpExporter
from penstock.telemetry.span_ids import SpanIds
from penstock.telemetry.trace_file import Record, TraceCollector, TraceFile

_LOGGER = logging.getLogger(__name__)

_WAIT_S = 0.5
_CLOSE_S = 5.0
#: Settings that were replaced and may still have traces on their way; older ones have none.
_MAX_COLLECTORS = 1024


class TraceExport:
    """Tells the engine what to trace, and takes what it traces."""

    def __init__(self, engine: Engine, config: TraceConfig) -> None:
        self._tracer = EngineTracer(engine)
        self._config = config
        self._file = TraceFile(config.file)
        self._exporter = _exporter(config) if config.mode == OPENTELEMETRY else None
        self._lock = threading.Lock()  # over the collectors and what they are told
        self._collectors: OrderedDict[int, TraceCollector] = OrderedDict()
        self._current: dict[str, int] = {}
        self._generation = 0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failed = False

    def apply(self, model: str, values: TraceValues | None) -> None:
        """TraceControl's: a model's settings ("": of all others); None: it has none any more."""
        with self._lock:
            old = self._current.pop(model, None)
            if values is not None:
                self._generation += 1
                self._current[model] = self._generation
                self._set(model, values)
            else:
                self._tracer.inherit(model)
            if old is not None and old in self._collectors:
                self._write(self._collectors[old].retire)
        if values is not None and values.levels and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Writes what there is. After the last request."""
        self._stopping.set()
        if self._thread is None:
            return
        self._thread.join(_CLOSE_S)
        self._take(0.0)
        with self._lock:
            for collector in self._collectors.values():
                self._write(collector.retire)
        dropped = self._tracer.dropped
        if self._exporter is not None:
            self._exporter.close(_CLOSE_S)
            dropped += self._exporter.dropped
        if dropped:
            _LOGGER.warning("%d traces or spans were dropped", dropped)

    def _set(self, model: str, values: TraceValues) -> None:
        levels, rate, count = values.levels or frozenset(), values.rate or 0, values.count
        tensors = "TENSORS" in levels and self._exporter is None
        if "TENSORS" in levels and not tensors:
            _LOGGER.error("trace level TENSORS is not supported in opentelemetry mode")
        count = -1 if count is None else count
        if levels and self._exporter is None:
            self._collectors[self._generation] = TraceCollector(
                self._file,
                count=count,
                log_frequency=values.log_frequency or 0,
                timestamps="TIMESTAMPS" in levels,
            )
            while len(self._collectors) > _MAX_COLLECTORS:
                self._collectors.popitem(last=False)
        self._tracer.set(
            model,
            on=bool(levels),
            tensors=tensors,
            rate=rate,
            count=count,
            generation=self._generation,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._take(_WAIT_S)

    def _take(self, timeout_s: float) -> None:
        records = self._tracer.take(timeout_s)
        if self._exporter is not None:
            self._exporter.add(records)
            return
        records.sort(key=_generation_of)
        with self._lock:
            for generation, group in groupby(records, _generation_of):
                collector = self._collectors.get(generation)
                if collector is not None:
                    self._add(collector, list(group))

    def _add(self, collector: TraceCollector, records: Sequence[Record]) -> None:
        self._write(lambda: collector.add(records))

    def _write(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._failed = False
        except OSError as error:
            if not self._failed:  # once, not for each trace
                _LOGGER.error(
                    "cannot write traces to '%s': %s", self._config.file, error.strerror or error
                )
            self._failed = True


def _generation_of(record: Record) -> int:
    return int(record["generation"])


def _exporter(config: TraceConfig) -> OtlpExporter:
    ids = SpanIds()
    set_span_ids(ids)  # for models, which may add spans of their own
    return OtlpExporter(
        config.url,
        config.resource,
        ids,
        max_queue_size=config.bsp_max_queue_size,
        schedule_delay_ms=config.bsp_schedule_delay_ms,
        max_batch_size=config.bsp_max_export_batch_size,
    )
