# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a model says of itself by `is_ready()` (contract 5.1).

It is asked twice a second, on a thread beside that of its batches, and not when somebody wants to
know: a probe is answered at once by whichever frontend it comes to, however long the model takes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Final

from penstock.backends.interface import Instance, SaysReadiness

_LOGGER: Final = logging.getLogger(__name__)
_EVERY_S: Final = 0.5
#: X-63: so long a model may take to answer.
_LIMIT_S: Final = 5.0
_END_S: Final = 1.0


class ReadinessPoll:
    """Asks one instance until `end`."""

    def __init__(self, name: str, check: Callable[[], str], tell: Callable[[str], None]) -> None:
        """`check`: why the instance is not ready, "" when it is. `tell`: the same, whenever it has
        changed; ready is what is taken for granted."""
        self._name = name
        self._check = check
        self._tell = tell
        self._asked: Future[str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ready {name}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Nothing is told any more. What hangs is left behind."""
        self._ended.set()
        self._thread.join(_END_S)

    def _run(self) -> None:
        problem = ""
        while not self._ended.is_set():
            found = self._ask()
            if found != problem and not self._ended.is_set():
                problem = found
                _LOGGER.warning("%s", found or f"instance '{self._name}' is ready again")
                with contextlib.suppress(OSError):  # the server is gone
                    self._tell(found)
            self._ended.wait(_EVERY_S)

    def _ask(self) -> str:
        if self._asked is None:
            self._asked = Future()
            arguments = (self._asked,)
            threading.Thread(target=self._answer, args=arguments, daemon=True).start()
        try:
            answer = self._asked.result(_LIMIT_S)
        except TimeoutError:
            return f"is_ready() of instance '{self._name}' takes longer than {_LIMIT_S:g} seconds"
        self._asked = None
        return answer

    def _answer(self, asked: Future[str]) -> None:
        asked.set_result(self._check())


@contextlib.contextmanager
def polled(instance: Instance, name: str, tell: Callable[[str], None]) -> Iterator[None]:
    """While it lasts an instance that has something to say is asked."""
    check = instance.readiness() if isinstance(instance, SaysReadiness) else None
    poll = None if check is None else ReadinessPoll(name, check, tell)
    try:
        yield
    finally:
        if poll is not None:
            poll.end()
