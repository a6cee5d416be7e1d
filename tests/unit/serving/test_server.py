# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The order of a server's life, with frontends that only take notes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from penstock._engine import Engine
from penstock.errors import InternalError, UnavailableError
from penstock.models.lifecycle import Lifecycle, LoadFailure
from penstock.serving.control_plane import ControlPlane
from penstock.serving.loader import ModelLoader
from penstock.serving.server import Server


class NotingFrontend:
    def __init__(self, name: str, notes: list[str], *, taken: bool = False) -> None:
        self.name = name
        self.address = "nowhere:0"
        self._notes = notes
        self._taken = taken

    def _note(self, what: str) -> None:
        self._notes.append(f"{self.name} {what}")

    async def listen(self) -> None:
        self._note("listen")
        if self._taken:
            raise UnavailableError("Socket 'nowhere:0' already in use ")

    async def start(self) -> None:
        self._note("start")

    def stop_accepting(self) -> None:
        self._note("stop_accepting")

    async def drain(self, timeout_s: float) -> None:
        self._note("drain")

    async def close(self, timeout_s: float) -> None:
        self._note("close")


class NotingLifecycle:
    def __init__(self, notes: list[str], failures: list[LoadFailure]) -> None:
        self._notes = notes
        self._failures = failures

    def load_all(self) -> list[LoadFailure]:
        self._notes.append("load")
        return self._failures

    def ready(self) -> bool:
        return True

    def end_loads(self) -> None:
        """Nothing loads."""

    def close(self) -> None:
        self._notes.append("unload")


class Life:
    """A server of two frontends, `a` and `b`."""

    def __init__(self, *, taken: bool = False, failures: int = 0, **options: Any) -> None:
        self.notes: list[str] = []
        self.reported: list[LoadFailure] | None = None
        engine = Engine(max_requests=4)
        lost = [LoadFailure(f"m{number}", "broken") for number in range(failures)]
        lifecycle = cast(Lifecycle, NotingLifecycle(self.notes, lost))
        loader = ModelLoader(engine, lambda name: pytest.fail("no back end is needed"))
        self.control = ControlPlane(engine, lifecycle, loader, server_id="test")
        frontends = [NotingFrontend("a", self.notes), NotingFrontend("b", self.notes, taken=taken)]
        self.server = Server(
            engine, lifecycle, self.control, frontends, on_loaded=self._report, **options
        )

    def _report(self, failures: list[LoadFailure]) -> None:
        self.reported = failures


async def test_the_order() -> None:
    life = Life()
    running = asyncio.create_task(life.server.run())
    while not life.control.started:
        await asyncio.sleep(0)
    assert life.control.ready
    life.server.request_stop()
    assert await running == 0
    assert not life.control.ready
    assert life.control.exiting
    assert life.notes == [
        *("a listen", "b listen", "a start", "b start", "load"),
        *("a stop_accepting", "b stop_accepting", "a drain", "b drain"),
        *("a close", "b close", "unload"),
    ]
    assert life.reported == []


async def test_nothing_starts_when_a_listener_is_taken() -> None:
    """H-29: all or nothing."""
    life = Life(taken=True)
    with pytest.raises(UnavailableError, match="already in use"):
        await life.server.run()
    assert life.notes == ["a listen", "b listen", "a close", "b close", "unload"]


async def test_a_failed_model_ends_it() -> None:
    """R-21."""
    life = Life(failures=1)
    with pytest.raises(InternalError, match="^failed to load all models$"):
        await life.server.run()
    assert life.notes[-3:] == ["a close", "b close", "unload"]
    assert life.reported is not None and [lost.name for lost in life.reported] == ["m0"]
    assert not life.control.started


async def test_a_failed_model_may_be_left_out() -> None:
    life = Life(failures=1, exit_on_error=False)
    running = asyncio.create_task(life.server.run())
    while not life.control.started:
        await asyncio.sleep(0)
    life.server.request_stop()
    assert await running == 0


async def test_nothing_is_answered_before_the_start() -> None:
    """H-24."""
    life = Life()
    for call in (
        life.control.check_started,
        lambda: life.control.model_ready("m", -1),
        lambda: life.control.model_metadata("m", -1),
        lambda: life.control.statistics("", -1),
    ):
        with pytest.raises(UnavailableError, match="^Server not ready$"):
            call()
    with pytest.raises(UnavailableError, match="^Server not ready$"):
        await life.control.load("m", {})
    assert life.control.live and not life.control.ready
