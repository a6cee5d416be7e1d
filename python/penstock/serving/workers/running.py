# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A worker process that was started, and what belongs to it in the server."""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue
from typing import Any, Final

from penstock._engine import WorkerConnection
from penstock.errors import ServerError
from penstock.serving.workers.metrics import MetricMirror
from penstock.serving.workers.output import OutputLog
from penstock.serving.workers.process import WorkerProcess
from penstock.serving.workers.remote_control import answer_control

_LOGGER: Final = logging.getLogger(__name__)

#: A worker asks for one thing at a time.
_MAX_ASKED: Final = 4


class Running:
    """A process and the connection to it."""

    def __init__(self, process: WorkerProcess, connection: WorkerConnection, name: str) -> None:
        self.process = process
        self.connection = connection
        self.output = OutputLog(process.output, name)
        self.name = name
        self.ready = False
        self.ending = False
        self.failure: ServerError | None = None
        self._questions: SimpleQueue[dict[str, Any] | None] | None = None

    def control(self, question: dict[str, Any], metrics: MetricMirror) -> None:
        """Does what the model asks for, on a thread of its own: it may take as long as a load."""
        if self._questions is None:
            self._questions = SimpleQueue()
            arguments = (self._questions, metrics)
            threading.Thread(target=self._answer, args=arguments, daemon=True).start()
        if self._questions.qsize() >= _MAX_ASKED:
            _LOGGER.error("%s: asked for more than a worker process may", self.name)
            self.process.kill()
            return
        self._questions.put(question)

    def finish(self) -> None:
        """The process has ended: no question is answered any more, and its output is complete."""
        self.output.finish()
        if self._questions is not None:
            self._questions.put(None)

    def _answer(self, questions: SimpleQueue[dict[str, Any] | None], metrics: MetricMirror) -> None:
        while (question := questions.get()) is not None:
            answer_control(self.process.control, question, metrics)
