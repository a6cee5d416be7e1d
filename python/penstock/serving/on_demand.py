# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--model-memory-budget: models are loaded when a request asks for them, and make room for others.

Requests wait in the core, which says whom they wait for. A model that cannot be loaded is refused
for a moment, with the reason, before it is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from penstock._engine import Engine
from penstock.errors import ServerError, UnavailableError
from penstock.models.identity import ModelId
from penstock.models.on_demand import OnDemand
from penstock.models.residency import Resident, choose_evictions
from penstock.serving.core_notices import readable
from penstock.serving.loader import ModelLoader

_LOGGER: Final = logging.getLogger(__name__)

#: A model that could not be loaded is not tried again for this long.
RETRY_S: Final = 10.0
#: So long a load waits for models that have requests, and would make room without.
ROOM_S: Final = 10.0
#: A model that was loaded for a request stays so long, or until it has answered one: where all want
#: to be loaded at once, each still gets its turn.
TURN_S: Final = 1.0
_LOOK_S: Final = 0.02
_MIB: Final = 1 << 20


class ModelsOnDemand:
    """Loads and evicts. The coroutines belong to one event loop; the rest is thread safe."""

    def __init__(
        self,
        engine: Engine,
        models: OnDemand,
        loader: ModelLoader,
        *,
        budget_bytes: int,
        threads: int,
    ) -> None:
        self._engine = engine
        self._models = models
        self._loader = loader
        self._budget_bytes = budget_bytes
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="on-demand")
        self._bringing: dict[str, asyncio.Future[None]] = {}  # the event loop's
        self._again: set[str] = set()
        self._lock = threading.Lock()
        # What loads, and what it is believed to take; what models took when they loaded last.
        self._coming: dict[ModelId, int] = {}
        self._sizes: dict[ModelId, int] = {}
        self._asked_at: dict[ModelId, float] = {}  # when it was loaded for somebody
        self._turn_ends: dict[ModelId, float] = {}
        self._refused: set[ModelId] = set()
        self._closed = False

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await readable(self._engine.wanted_models_fileno())
            for name in self._engine.take_wanted_models():
                if name in self._bringing:
                    self._again.add(name)  # it may have come and gone: looked at once more
                else:
                    self._begin(name)

    async def wait(self, name: str) -> None:
        """Until a version of the model is ready, or the reason is known why none will be.

        For what looks at a model before it asks for anything: raises nothing.
        """
        if self._models.awaited(name) and ModelId(name) not in self._refused:
            await asyncio.shield(self._bringing.get(name) or self._begin(name))

    def _begin(self, name: str) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        self._bringing[name] = bringing = loop.run_in_executor(self._threads, self.bring, name)
        bringing.add_done_callback(lambda done: self._ended(name))
        return bringing

    def _ended(self, name: str) -> None:
        del self._bringing[name]
        if name in self._again and not self._closed:
            self._again.discard(name)
            self._begin(name)

    def close(self) -> None:
        """Waits for what is being loaded."""
        self._closed = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def bring(self, name: str) -> None:
        """Loads the model, unless it is there. Blocks; a failure is told to who waits for it.

        Once at a time for one model.
        """
        model = ModelId(name)
        try:
            if self._models.awaited(name):
                self._bring(model)
        except ServerError as error:
            self._refuse(model, error)
        except Exception as error:
            _LOGGER.exception("failed to load '%s' on demand", name)
            self._refuse(model, UnavailableError(f"{type(error).__name__}: {error}"))

    def _bring(self, model: ModelId) -> None:
        asked_at = time.time()  # before any request that its load lets go on
        self._make_room(model, self._expected_bytes(model))
        try:
            self._models.load(model)
        finally:
            with self._lock:
                self._asked_at[model] = asked_at
                self._turn_ends[model] = time.time() + TURN_S
                self._coming.pop(model, None)
        for one in self._residents():
            if one.model == model:
                self._sizes[model] = one.size_bytes
        self._trim(model)

    def _expected_bytes(self, model: ModelId) -> int:
        """As when it loaded last, else its files'."""
        known = self._sizes.get(model)
        return self._models.files_bytes(model) if known is None else known

    def _make_room(self, model: ModelId, size: int) -> None:
        """Takes the room. Raises UnavailableError when there can be none."""
        until = time.monotonic() + ROOM_S
        while True:
            with self._lock:
                residents = self._residents()
                room = self._budget_bytes - size - sum(self._coming.values())
                chosen = choose_evictions(residents, room, keep=self._coming)
                if chosen is not None:
                    self._coming[model] = size
                    break
            if size > self._budget_bytes or time.monotonic() > until or self._closed:
                raise UnavailableError(self._no_room(model, size, residents))
            time.sleep(_LOOK_S)
        self._evict(chosen)

    def _trim(self, model: ModelId) -> None:
        """It may have taken more than was expected."""
        with self._lock:
            residents = self._residents()
            room = self._budget_bytes - sum(self._coming.values())
            chosen = choose_evictions(residents, room, keep={model, *self._coming})
        if chosen is None:
            _LOGGER.warning(
                "models take %d MiB, more than --model-memory-budget, and none can be unloaded now",
                sum(one.size_bytes for one in residents) // _MIB,
            )
        else:
            self._evict(chosen)

    def _evict(self, models: Iterable[ModelId]) -> None:
        for model in models:
            if self._models.evict(model):
                _LOGGER.info("'%s' is unloaded: memory budget", model.name)

    def _residents(self) -> list[Resident]:
        return [
            self._resident(model, pinned=pinned, needs=needs)
            for model, pinned, needs in self._models.serving()
        ]

    def _resident(self, model: ModelId, *, pinned: bool, needs: Iterable[ModelId]) -> Resident:
        size, answered_at, busy = 0, 0.0, False
        for version in self._loader.published(model.name):
            size += sum(version.memory_usage.values())
            counted = version.model.statistics()
            answered_at = max(answered_at, counted["last_inference"] / 1000)
            busy = busy or counted["in_flight"] > 0
        turn = answered_at == 0 and time.time() < self._turn_ends.get(model, 0.0)
        used_at = max(self._asked_at.get(model, 0.0), answered_at)
        return Resident(model, size, used_at, stays=pinned or busy or turn, needs=tuple(needs))

    def _no_room(self, model: ModelId, size: int, residents: Iterable[Resident]) -> str:
        staying = sum(one.size_bytes for one in residents if one.stays)
        return (
            f"model '{model.name}' takes about {size // _MIB} MiB, and of --model-memory-budget "
            f"({self._budget_bytes // _MIB} MiB) models that have requests or were loaded by name "
            f"take {staying // _MIB} MiB"
        )

    def _refuse(self, model: ModelId, error: ServerError) -> None:
        """Whoever waits is told why; then it is tried again."""
        if self._models.serves(model):
            return
        _LOGGER.error("failed to load '%s' on demand: %s", model.name, error.message)
        self._refused.add(model)
        self._engine.refuse(model.key, UnavailableError(error.message))
        timer = threading.Timer(RETRY_S, self._offer, (model,))
        timer.daemon = True
        timer.start()

    def _offer(self, model: ModelId) -> None:
        self._refused.discard(model)
        self._models.offer(model)
