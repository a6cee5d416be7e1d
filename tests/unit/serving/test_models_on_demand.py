# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--model-memory-budget: what is brought, what makes room, and what is told to who waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from penstock._engine import Engine
from penstock.errors import InvalidArgError, UnavailableError
from penstock.models.identity import ModelId
from penstock.models.on_demand import OnDemand
from penstock.serving import on_demand
from penstock.serving.loader import ModelLoader
from penstock.serving.on_demand import ModelsOnDemand

TIMEOUT_S = 10.0


class Models:
    """Ten bytes each; `busy` have requests, `failing` do not load."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.loaded: dict[str, float] = {}  # when they answered last
        self.busy: set[str] = set()
        self.failing: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.done: list[str] = []
        self.offered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    # ---- as the life cycle

    def awaited(self, name: str) -> bool:
        return name not in self.loaded

    def serves(self, model: ModelId) -> bool:
        return model.name in self.loaded

    def load(self, model: ModelId) -> None:
        assert self.gate.wait(TIMEOUT_S)
        self.done.append(f"load {model.name}")
        if model.name in self.failing:
            raise InvalidArgError("no such weights")
        self.loaded[model.name] = len(self.done)

    def evict(self, model: ModelId) -> bool:
        self.done.append(f"evict {model.name}")
        return self.loaded.pop(model.name, None) is not None

    def offer(self, model: ModelId) -> None:
        self.done.append(f"offer {model.name}")
        self.offered.set()

    def serving(self) -> list[tuple[ModelId, bool, tuple[ModelId, ...]]]:
        return [(ModelId(name), False, ()) for name in self.loaded]

    def files_bytes(self, model: ModelId) -> int:
        return self.sizes.get(model.name, 10)

    # ---- as the loader

    def published(self, name: str) -> list[Any]:
        if name not in self.loaded:
            return []
        counted = {"last_inference": 1000 * self.loaded[name], "in_flight": int(name in self.busy)}
        usage = {("CPU", 0): self.sizes.get(name, 10)}
        model = SimpleNamespace(statistics=lambda: counted)
        return [SimpleNamespace(memory_usage=usage, model=model)]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setattr(on_demand, "ROOM_S", 0.1)
    monkeypatch.setattr(on_demand, "RETRY_S", 0.05)
    monkeypatch.setattr(on_demand, "TURN_S", 0.0)
    clock = SimpleNamespace(time=lambda: 0.0, monotonic=on_demand.time.monotonic)
    clock.sleep = on_demand.time.sleep
    monkeypatch.setattr(on_demand, "time", clock)  # what answered last was used last
    return Models(Engine(max_requests=4))


@pytest.fixture
def manager(models: Models) -> Iterator[ModelsOnDemand]:
    made = ModelsOnDemand(
        models.engine,
        cast(OnDemand, models),
        cast(ModelLoader, models),
        budget_bytes=25,
        threads=2,
    )
    yield made
    made.close()


def test_the_least_recently_used_makes_room(models: Models, manager: ModelsOnDemand) -> None:
    for name in "abc":
        manager.bring(name)
    assert models.done == ["load a", "load b", "evict a", "load c"]
    manager.bring("c")  # it is there
    assert set(models.loaded) == {"b", "c"}


def test_one_that_takes_more_than_expected_makes_others_go(
    models: Models, manager: ModelsOnDemand
) -> None:
    manager.bring("a")
    models.sizes["b"] = 5
    models.busy.add("b")
    original = models.load

    def load(model: ModelId) -> None:
        original(model)
        models.sizes["b"] = 20

    models.load = load  # type: ignore[method-assign]
    manager.bring("b")
    assert models.done == ["load a", "load b", "evict a"]


def test_busy_models_stay_and_the_reason_is_told(models: Models, manager: ModelsOnDemand) -> None:
    manager.bring("a")
    manager.bring("b")
    models.busy |= {"a", "b"}
    models.engine.publish("c", [], [], True)
    manager.bring("c")
    with pytest.raises(UnavailableError, match="--model-memory-budget"):
        models.engine.find("c")
    assert set(models.loaded) == {"a", "b"}


def test_a_failure_is_told_and_it_is_offered_again(models: Models, manager: ModelsOnDemand) -> None:
    models.failing.add("a")
    manager.bring("a")
    with pytest.raises(UnavailableError, match="no such weights"):
        models.engine.find("a")
    assert models.offered.wait(TIMEOUT_S)
    assert models.done == ["load a", "offer a"]


async def test_all_wait_for_one_load(models: Models, manager: ModelsOnDemand) -> None:
    models.gate.clear()
    waiting = [asyncio.create_task(manager.wait("a")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # its client has left
    models.gate.set()
    await asyncio.wait_for(asyncio.gather(*waiting[1:]), TIMEOUT_S)
    assert models.done == ["load a"]
    await manager.wait("a")
    assert models.done == ["load a"]
