# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance that runs in a process of its own: what becomes of it when a process ends.

    starting --ready--> serving --end--> waiting --back-off--> starting ...
        |                                   |
        +--failed the first load: the load fails   after too many: refused, and tried on

Everything here runs on the supervisor's thread.
"""

from __future__ import annotations

import functools
import logging
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from penstock._engine import WorkerLink
from penstock.errors import Code, InternalError, ServerError, UnavailableError, error_from_code
from penstock.serving.workers.job import Job
from penstock.serving.workers.metrics import MetricMirror
from penstock.serving.workers.process import Program, WorkerProcess
from penstock.serving.workers.running import Running
from penstock.serving.workers.supervisor import Supervisor, Timer

_LOGGER: Final = logging.getLogger(__name__)

#: C4: the first restart waits this long, each next one twice as long, up to the last.
BACK_OFF_S: Final = (0.5, 30.0)
#: So many ends without an answered batch in so many seconds are a crash loop.
CRASH_LOOP: Final = (5, 60.0)
_RSS_LOOK_S: Final = 0.25
_MAX_REASON: Final = 4096
_END_S: Final = 5.0


class WorkerSlot:
    """One instance. `changed` is called when `alive` or `refusal` may have changed."""

    def __init__(
        self,
        supervisor: Supervisor,
        link: WorkerLink,
        job: Job,
        *,
        program: Program,
        threads: int,
        max_rss_bytes: int,
        changed: Callable[[], None],
    ) -> None:
        assert job.instance is not None
        self.name = job.instance.name
        self._supervisor = supervisor
        self._link = link
        self._start = functools.partial(WorkerProcess, job, threads=threads, program=program)
        self._max_rss_bytes = max_rss_bytes
        self._changed = changed
        self._running: list[Running] = []
        self._serving: Running | None = None
        self._started: Future[None] | None = Future()
        self._stopped: Future[None] | None = None
        self._timers: dict[str, Timer] = {}
        self._metrics = MetricMirror()
        self._crashes: deque[float] = deque(maxlen=CRASH_LOOP[0])
        #: why no process serves, and none is expected to soon; "": one does, or will
        self.refusal = ""
        #: why the process that serves is not ready, as it says
        self.unready = ""
        #: how the last process ended
        self.last_end = ""

    @property
    def alive(self) -> bool:
        """Whether a process serves."""
        return self._serving is not None

    def rss_bytes(self) -> int:
        """Of the process that serves; 0: none does. Any thread."""
        serving = self._serving
        return 0 if serving is None else serving.process.rss_bytes()

    def start(self) -> Future[None]:
        """Starts the first process; the future has what its load raised."""
        assert self._started is not None
        started = self._started
        self._launch()
        if self._max_rss_bytes:
            self._after("rss", _RSS_LOOK_S, self._look_at_rss)
        return started

    def cut(self) -> bool:
        """Kills a first process that has not loaded the model. False: it has, or has failed."""
        if self._started is None:
            return False
        for running in self._running:
            running.process.kill()
        return True

    def stop(self, timeout_s: float) -> Future[None]:
        """Ends the processes: kindly, and after the time-out by force."""
        if self._stopped is None:
            self._stopped = Future()
            self._cancel_timers()
            for running in self._running:
                self._end(running)
            self._after("stop", timeout_s, self._kill_all)
            self._check_stopped()
        return self._stopped

    # ------------------------------------------------------------ start

    def _launch(self) -> None:
        if self._stopped is not None or self._link.ended:
            return
        try:
            connection = self._link.connect()
            process = self._start(connection.fileno())
        except ServerError as error:
            return self._crashed(error.message, error)
        except OSError as error:
            text = f"a worker process of '{self.name}' cannot be started: {error.strerror}"
            return self._crashed(text, UnavailableError(text))
        running = Running(process, connection, self.name)
        self._running.append(running)
        watch = self._supervisor.watch
        watch(process.pidfd, lambda: self._on_end(running))
        watch(process.control.fileno(), lambda: self._on_control(running))
        watch(process.output, lambda: self._on_output(running))

    def _on_ready(self, running: Running) -> None:
        if running.ready or self._stopped is not None:
            return
        running.ready = True
        before, self._serving = self._serving, running
        self._link.serve(running.connection, running.process.pidfd)
        self.refusal = self.unready = ""
        if before is not None:
            self._end(before)
        if self._started is not None:
            self._started.set_result(None)
            self._started = None
        else:
            _LOGGER.info(
                "instance '%s' serves again, in process %d", self.name, running.process.pid
            )
        self._changed()

    # ------------------------------------------------------------ events

    def _on_control(self, running: Running) -> None:
        try:
            messages = running.process.control.received()
        except EOFError:
            self._supervisor.forget(running.process.control.fileno())
            return  # that it has ended, pidfd tells
        for message in messages:
            self._take(running, message)

    def _take(self, running: Running, message: dict[str, Any]) -> None:
        match message.get("is"):
            case "ready":
                self._on_ready(running)
            case "failed":
                running.failure = failure_of(message)
            case "log":
                _log(message)
            case "metrics":
                self._metrics.apply(message)
            case "readiness" if running is self._serving:
                self.unready = str(message.get("problem", ""))[:_MAX_REASON]
                self._changed()
            case "control":
                running.control(message, self._metrics)

    def _on_output(self, running: Running) -> None:
        if not running.output.read():
            self._supervisor.forget(running.process.output)
        if running.output.dropped:
            self._after(f"output {running.process.pid}", 1.0, running.output.tell_dropped)

    def _on_end(self, running: Running) -> None:
        process = running.process
        if not running.failure:
            self._on_control(running)  # its last words
        for fd in (process.pidfd, process.output, process.control.fileno()):
            self._supervisor.forget(fd)
        in_flight = running.connection.in_flight
        how = process.reap()
        running.connection.lost(how)
        running.finish()
        process.close()
        self._running.remove(running)
        if (timer := self._timers.pop(f"end {process.pid}", None)) is not None:
            timer.cancel()
        if running is self._serving:
            self._serving = None
            self.unready = ""
            self.last_end = f"the worker process of instance '{self.name}' ended: {how}"
            self._changed()
        if self._stopped is not None:
            self._check_stopped()
        elif not running.ending and not self._link.ended:
            self._on_crash(running, how, in_flight)

    def _on_crash(self, running: Running, how: str, in_flight: int) -> None:
        if running.ready:
            _LOGGER.error("%s", self.last_end)
            outside = in_flight == 0 and running.process.exit_code == -signal.SIGKILL
            if outside or running.connection.answered > 0:
                self._crashes.clear()
                self._launch()
                return
            return self._crashed(f"its worker process ended: {how}", None)
        failure = running.failure or InternalError(
            f"the worker process of instance '{self.name}' ended while it loaded: {how}"
        )
        self._crashed(failure.message, failure)

    def _crashed(self, why: str, failure: ServerError | None) -> None:
        """A process ended that was of no use."""
        if self._started is not None:
            started, self._started = self._started, None
            started.set_exception(failure or InternalError(why))
            return
        now = time.monotonic()
        self._crashes.append(now)
        first, last = BACK_OFF_S
        delay = min(last, first * 2 ** (len(self._crashes) - 1))
        most, within = CRASH_LOOP
        if len(self._crashes) == most and now - self._crashes[0] <= within:
            delay = last
            self.refusal = f"instance '{self.name}' ended {most} times without an answer, {why}"
            _LOGGER.error("%s; it is tried again every %d seconds", self.refusal, int(last))
            self._changed()
        self._after("restart", delay, self._launch)

    # ------------------------------------------------------------ memory, end

    def _look_at_rss(self) -> None:
        if self._stopped is not None:
            return
        serving = self._serving
        starting = any(not running.ready for running in self._running)
        if serving is not None and not starting:
            rss = serving.process.rss_bytes()
            if rss > self._max_rss_bytes:
                _LOGGER.info(
                    "instance '%s' is given a fresh process: %d bytes of memory are more than "
                    "MAX_RSS_BYTES (%d)",
                    self.name,
                    rss,
                    self._max_rss_bytes,
                )
                self._launch()
        self._after("rss", _RSS_LOOK_S, self._look_at_rss)

    def _end(self, running: Running) -> None:
        running.ending = True
        if running.ready:
            if self._stopped is not None:
                running.connection.close()
            self._after(f"end {running.process.pid}", _END_S, lambda: self._kill(running))
        else:
            running.process.kill()

    def _kill(self, running: Running) -> None:
        if running in self._running:
            if running.connection.in_flight and self._stopped is None:
                self._after(f"end {running.process.pid}", _END_S, lambda: self._kill(running))
            else:
                running.process.kill()

    def _kill_all(self) -> None:
        for running in self._running:
            running.process.kill()

    def _check_stopped(self) -> None:
        if self._stopped is not None and not self._running and not self._stopped.done():
            self._cancel_timers()
            # Later: when the event of the last process's end has let go of it.
            self._supervisor.after(0.0, functools.partial(self._stopped.set_result, None))

    def _after(self, purpose: str, seconds: float, call: Callable[[], None]) -> None:
        """In place of an earlier one for the same."""
        if (before := self._timers.get(purpose)) is not None:
            before.cancel()
        self._timers[purpose] = self._supervisor.after(seconds, call)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


def failure_of(message: dict[str, Any]) -> ServerError:
    """What a worker says that it has failed with."""
    code = message.get("code")
    if not isinstance(code, int) or code not in list(Code):
        code = Code.INTERNAL
    return error_from_code(code, str(message.get("message")))


def _log(message: dict[str, Any]) -> None:
    """A record as the worker made it, written by the server's handlers."""
    level, line = message.get("level"), message.get("line")
    if not isinstance(level, int) or not isinstance(line, int):
        return
    logger = logging.getLogger("penstock.workers")
    if logger.isEnabledFor(level):
        path, text = str(message.get("file")), str(message.get("message"))
        logger.handle(logger.makeRecord(logger.name, level, path, line, "%s", (text,), None))
