# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Control mode `poll`: looks at the repositories now and then, and has done what `decide` says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from penstock.models.desired import Decision, Known, decide
from penstock.models.identity import ModelId
from penstock.models.manifest import missing_from
from penstock.models.repository import Look, Repository
from penstock.models.state import ModelRecord
from penstock.models.tree import Tree

_LOG = logging.getLogger("penstock.models")

#: How long files that were written just before the start are watched before they are loaded.
_START_WATCH_S = 1.0
#: Polls between two attempts at a model that fails and does not change, at most.
_MAX_BACKOFF = 16


class PollTarget(Protocol):
    """What a poll changes: the life cycle."""

    def records(self) -> list[ModelRecord]:
        """All models that are known."""

    def load_many(self, models: Iterable[ModelId]) -> Sequence[Any]:
        """Load these; returns the failures."""

    def unload_many(self, models: Iterable[ModelId]) -> None:
        """Unload these."""


class Poller:
    """One thread, which nothing else waits for. `waiting` may be read by any thread."""

    def __init__(self, repository: Repository, target: PollTarget, interval_s: float) -> None:
        self._repository = repository
        self._target = target
        self._interval_s = interval_s
        self._before = Look()
        self._since_ns = 0
        self._tried: dict[ModelId, Tree] = {}
        self._failures: dict[ModelId, int] = {}  # in a row, without a change of the files
        self._polls = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        #: models that are not loaded (anew) yet, and why
        self.waiting: Mapping[ModelId, str] = {}

    def begin(self) -> tuple[frozenset[ModelId], Mapping[str, str]]:
        """What to load at the start: all, but for what is still being written just then; and the
        repositories that could not be listed, and why."""
        look, began_ns = self._look({})
        fresh_ns = began_ns - int(_START_WATCH_S * 1e9)
        if any(not 0 < tree.newest_ns < fresh_ns for tree in look.trees.values()):
            self._stop.wait(min(_START_WATCH_S, self._interval_s))
        return self._decide().load, self._before.failed

    def start(self) -> None:
        """Poll from now on; with an interval of 0 there are no polls."""
        if not self._interval_s:
            return
        self._thread = threading.Thread(target=self._run, name="model-poll", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits for the poll that goes on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def poll(self) -> None:
        """One look, and what follows from it."""
        decision = self._decide()
        if decision.unload:
            self._target.unload_many(decision.unload)
        for model in decision.unload:
            self._tried.pop(model, None)
        if decision.load:
            self._target.load_many(decision.load)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.poll()
            except Exception:  # the next look may see something else
                _LOG.exception("polling the model repositories failed")

    def _look(self, serving: Mapping[ModelId, str]) -> tuple[Look, int]:
        began_ns = time.time_ns()
        self._before, look = self._repository.look(serving), self._before
        # The clock of the disk's times is a little behind, and another machine's may be more.
        margin_ns = int(min(max(self._interval_s / 2, 0.05), 2.0) * 1e9)
        self._since_ns, since_ns = began_ns - margin_ns, self._since_ns
        return look, since_ns

    def _decide(self) -> Decision:
        self._polls += 1
        records = self._target.records()
        serving = {one.model: one.serving.location for one in records if one.serving is not None}
        before, since_ns = self._look(serving)
        now = self._before
        known = {record.model: self._known(record) for record in records}
        for model, tree in self._tried.items():
            known.setdefault(model, Known(False, tree))
        decision = decide(before, now, known, complete=missing_from, since_ns=since_ns)
        for model in decision.load:
            changed = model not in self._tried or now.trees[model].changes_since(self._tried[model])
            self._failures[model] = 0 if changed else self._failures.get(model, 0) + 1
            self._tried[model] = now.trees[model]
        self.waiting = decision.waiting
        self._forget(now, serving)
        return decision

    def _known(self, record: ModelRecord) -> Known:
        failed = bool(record.failure) or record.serving is None
        pause = min(2 ** self._failures.get(record.model, 0), _MAX_BACKOFF)
        return Known(
            serving=record.serving is not None,
            tree=self._tried.get(record.model),
            location=record.serving.location if record.serving is not None else "",
            retry=failed and self._polls % pause == 0,
        )

    def _forget(self, now: Look, serving: Mapping[ModelId, str]) -> None:
        """What is gone, and does not serve, is new when it comes back."""
        if now.failed:
            return
        for model in self._tried.keys() - now.trees.keys() - now.unreadable.keys() - serving.keys():
            del self._tried[model]
            self._failures.pop(model, None)
