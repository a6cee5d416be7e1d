# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A worker process that was started, and what belongs to it in the server."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from penstock._engine import WorkerConnection
from penstock.errors import ServerError
from penstock.serving.workers.output import OutputLog
from penstock.serving.workers.process import WorkerProcess
from penstock.serving.workers.remote_control import answer_control

_LOGGER: Final = logging.getLogger(__name__)

#: A worker asks for one thing at a time; the threads of answers that it has may still end.
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
        self._asked: list[threading.Thread] = []

    def control(self, question: dict[str, Any]) -> None:
        """Does what the model asks for, on a thread of its own: it may take as long as a load."""
        self._asked = [thread for thread in self._asked if thread.is_alive()]
        if len(self._asked) == _MAX_ASKED:
            _LOGGER.error("%s: asked for more than a worker process may", self.name)
            self.process.kill()
            return
        thread = threading.Thread(
            target=answer_control, args=(self.process.control, question), daemon=True
        )
        self._asked.append(thread)
        thread.start()
