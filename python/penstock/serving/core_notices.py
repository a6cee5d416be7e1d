# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Brings to the log what the core has to say there, as warnings."""

from __future__ import annotations

import asyncio
import logging

from penstock._engine import Engine

_LOGGER = logging.getLogger(__name__)

#: Between two looks, so that no client can fill the log: the core keeps 64 lines, and counts more.
PAUSE_S = 1.0


async def log_notices(engine: Engine) -> None:
    """Runs until it is cancelled."""
    while True:
        await readable(engine.notices_fileno())
        lines, dropped = engine.take_notices()
        for line in lines:
            _LOGGER.warning("%s", line)
        if dropped:
            _LOGGER.warning("%d warnings more like these were not logged", dropped)
        await asyncio.sleep(PAUSE_S)


async def readable(descriptor: int) -> None:
    """Returns when there is something to read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
