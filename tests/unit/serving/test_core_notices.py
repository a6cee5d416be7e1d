# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the core has to say reaches the log, once, and not faster than it should."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any, cast

import pytest
from penstock._engine import Engine
from penstock.serving import core_notices


class FakeEngine:
    """An eventfd and what is to be taken."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0)
        self.taken: list[tuple[list[str], int]] = []

    def notices_fileno(self) -> int:
        return self.descriptor

    def take_notices(self) -> tuple[list[str], int]:
        os.eventfd_read(self.descriptor)
        return self.taken.pop(0)


def test_lines_are_logged_and_what_was_too_much_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paused = asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == core_notices.PAUSE_S
        paused.set()
        await asyncio.Event().wait()

    async def play(engine: FakeEngine) -> None:
        watch = asyncio.create_task(core_notices.log_notices(cast(Engine, engine)))
        engine.taken.append((["one %d", "two"], 3))
        os.eventfd_write(engine.descriptor, 1)
        await asyncio.wait_for(paused.wait(), 10)
        watch.cancel()

    engine: Any = FakeEngine()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(core_notices.asyncio, "sleep", sleep)
        asyncio.run(play(engine))
    os.close(engine.descriptor)
    assert caplog.messages == ["one %d", "two", "3 warnings more like these were not logged"]
