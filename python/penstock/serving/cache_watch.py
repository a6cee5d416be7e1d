# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tells the log when a response cache outside the server comes and goes (contract 4.6).

Nobody waits for it: while it is away, requests are executed. One line each time that it changes.
"""

from __future__ import annotations

import asyncio
import logging

from penstock._engine import Engine

_LOGGER = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5


async def watch_cache(engine: Engine) -> None:
    """Returns at once when there is none; else runs until it is cancelled."""
    seen = 0
    while (state := engine.remote_cache_state()) is not None:
        up, changes, text = state
        if changes != seen:
            if up and changes - seen > 1:  # it has gone and come since
                _LOGGER.warning(
                    "Response cache: nothing was cached for a while, no use of %s", text
                )
            if up:
                _LOGGER.info("Response cache: connected to %s", text)
            else:
                _LOGGER.warning("Response cache: nothing is cached, no use of %s", text)
            seen = changes
        await asyncio.sleep(_LOOK_EVERY_S)
