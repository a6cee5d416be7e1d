# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models that are loaded when somebody asks for them, and unloaded to make room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.errors import InvalidArgError
from penstock.models.identity import ModelId
from penstock.models.lifecycle import IndexEntry, Lifecycle, VersionState
from penstock.models.state import EVICTED
from puppet import PuppetLoader, write_ensemble, write_model

Begin = Callable[..., Lifecycle]
A, B = ModelId("a"), ModelId("b")


@pytest.fixture
def lifecycle(tmp_path: Path, begin: Begin) -> Lifecycle:
    for name in ("a", "b"):
        write_model(tmp_path, name)
    made = begin("none", on_demand=True)
    assert made.load_all() == []
    return made


def reason(lifecycle: Lifecycle, name: str) -> str:
    (entry,) = [entry for entry in lifecycle.index() if entry.name == name]
    return entry.reason


def test_nothing_is_loaded_and_everything_is_offered(
    lifecycle: Lifecycle, loader: PuppetLoader
) -> None:
    assert loader.loaded == []
    assert loader.awaited == {"a": True, "b": True}
    assert lifecycle.index() == [IndexEntry("a"), IndexEntry("b")]
    assert lifecycle.ready()
    assert lifecycle.on_demand.awaited("a")
    assert not lifecycle.on_demand.awaited("nobody")


def test_a_model_comes_and_goes(lifecycle: Lifecycle, loader: PuppetLoader) -> None:
    models = lifecycle.on_demand
    models.load(A)
    assert loader.ready("a") == [1] and not models.awaited("a")
    assert models.serving() == [(A, False, ())]
    assert models.evict(A)
    assert not models.evict(A)
    assert loader.awaited["a"] and models.awaited("a")
    assert reason(lifecycle, "a") == EVICTED
    assert lifecycle.ready()
    models.load(A)
    assert lifecycle.index()[0] == IndexEntry("a", 1, VersionState.READY)


def test_requests_wait_while_it_loads(lifecycle: Lifecycle, loader: PuppetLoader) -> None:
    loader.failures["a", 1] = [InvalidArgError("no luck")]
    with pytest.raises(InvalidArgError):
        lifecycle.on_demand.load(A)
    assert "no luck" in reason(lifecycle, "a")
    assert lifecycle.on_demand.awaited("a")  # whoever loads it says what becomes of them
    assert lifecycle.ready()


def test_by_name_it_stays_or_is_gone(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    for name in ("a", "b"):
        write_model(tmp_path, name)
    lifecycle = begin(on_demand=True, load_models=("a",))
    lifecycle.load_all()
    models = lifecycle.on_demand
    assert loader.ready("a") == [1]
    assert not models.evict(A)
    models.load(B)
    lifecycle.load("b")  # it is there, and stays from now on
    assert not models.evict(B)
    lifecycle.unload("b")
    assert not models.awaited("b") and not loader.awaited["b"]
    lifecycle.load("b")
    assert loader.ready("b") == [1]


def test_what_an_ensemble_needs_stays(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    tensor = "data_type: TYPE_FP32 dims: 1"
    io = f'input {{ name: "i" {tensor} }} output {{ name: "o" {tensor} }}'
    write_model(tmp_path, "a", io)
    write_ensemble(tmp_path, "chain", "a")
    lifecycle = begin("none", on_demand=True)
    lifecycle.load_all()
    lifecycle.on_demand.load(ModelId("chain"))
    assert not lifecycle.on_demand.evict(A)
    assert lifecycle.on_demand.evict(ModelId("chain"))
    assert lifecycle.on_demand.evict(A)


def test_what_is_not_there_any_more_is_not_offered(
    tmp_path: Path, lifecycle: Lifecycle, loader: PuppetLoader
) -> None:
    lifecycle.on_demand.load(A)
    for path in sorted((tmp_path / "a").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "a").rmdir()
    assert lifecycle.on_demand.evict(A)
    assert not lifecycle.on_demand.awaited("a")
