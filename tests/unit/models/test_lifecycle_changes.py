# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reloads, overrides, drains and what happens at the same time (R-22 to R-30, REP-2, X-66)."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from penstock.errors import InternalError, InvalidArgError, ServerError, UnavailableError
from penstock.models import drains
from penstock.models.lifecycle import IndexEntry, Lifecycle, VersionState
from puppet import TIMEOUT_S, Gate, PuppetLoader, write_model

Begin = Callable[..., Lifecycle]
READY = VersionState.READY
LOADING = VersionState.LOADING
UNLOADING = VersionState.UNLOADING
UNAVAILABLE = VersionState.UNAVAILABLE


def in_thread(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def join(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


# ---------------------------------------------------------------- reload


def test_an_unchanged_model_is_not_loaded_again(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.load("a")
    lifecycle.load("a")
    assert len(loader.loaded) == 1
    write_model(tmp_path, "a", "max_batch_size: 2")
    lifecycle.load("a")
    assert [handle.config.max_batch_size for handle in loader.loaded] == [0, 2]
    lifecycle.unload("a")
    lifecycle.load("a")
    assert len(loader.loaded) == 3


def test_the_old_version_serves_until_the_new_one_is_ready(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.load("a")
    old = loader.loaded[0]
    write_model(tmp_path, "a", "# changed", versions=(2,))
    gate = loader.load_gates["a", 2] = Gate()
    thread = in_thread(lambda: lifecycle.load("a"))
    gate.wait_reached()
    assert loader.published["a"] == ([old], [])
    assert lifecycle.index() == [IndexEntry("a", 1, READY)]
    held = loader.unload_gates["a", 1] = Gate()
    gate.opened.set()
    join(thread)  # the load returns although a request still holds the old version
    held.wait_reached()
    assert (loader.ready("a"), loader.published["a"][1]) == ([2], [1])
    assert lifecycle.index() == [IndexEntry("a", 1, UNLOADING), IndexEntry("a", 2, READY)]
    held.opened.set()


def test_a_failed_reload_keeps_what_serves_and_shows_why(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a", "version_policy { all {} }", versions=(1, 2))
    lifecycle = begin(load_models=("a",))
    lifecycle.load_all()
    serving = list(loader.published["a"][0])
    write_model(tmp_path, "a", "version_policy { all {} } # changed", versions=(3,))
    loader.failures["a", 3] = [InvalidArgError("corrupt")]
    with pytest.raises(InvalidArgError):
        lifecycle.load("a")
    reason = "version 3 is at UNAVAILABLE state: corrupt;\n"
    assert loader.published["a"] == (serving, [])
    assert lifecycle.index() == [IndexEntry("a", n, READY, reason) for n in (1, 2)]
    assert lifecycle.ready()
    lifecycle.load("a")
    assert loader.ready("a") == [1, 2, 3]
    assert all(entry.reason == "" for entry in lifecycle.index())


def test_a_broken_configuration_keeps_what_serves(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.load("a")
    write_model(tmp_path, "a", "nonsense")
    with pytest.raises(InternalError, match="failed to poll from model repository"):
        lifecycle.load("a")
    (entry,) = lifecycle.index()
    assert (entry.state, loader.ready("a")) == (READY, [1])
    assert "config.pbtxt" in entry.reason
    write_model(tmp_path, "a")
    lifecycle.load("a")
    assert lifecycle.index() == [IndexEntry("a", 1, READY)]


def test_versions_that_are_gone_leave_the_index(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    lifecycle = begin()
    for version in range(1, 6):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        write_model(tmp_path, "a", versions=(version,))
        lifecycle.load("a")
    lifecycle.close()
    assert len(loader.unloaded) == 5


# ---------------------------------------------------------------- unload


def test_unload_does_not_wait(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin(load_models=("a",))
    lifecycle.load_all()
    gate = loader.unload_gates["a", 1] = Gate()
    lifecycle.unload("a")
    gate.wait_reached()
    assert loader.published["a"] == ([], [1])
    assert lifecycle.index() == [IndexEntry("a", 1, UNLOADING)]
    lifecycle.load("a")  # while the old one still drains
    assert loader.ready("a") == [1]
    assert lifecycle.index() == [IndexEntry("a", 1, READY)]
    gate.opened.set()


def test_an_unloaded_model_is_known(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin(load_models=("a",))
    lifecycle.load_all()
    lifecycle.unload("a", unload_dependents=True)
    lifecycle.close()
    assert lifecycle.index() == [IndexEntry("a", 1, UNAVAILABLE, "unloaded")]
    assert lifecycle.ready()  # S-READY


def test_a_model_that_fails_to_unload_is_gone_all_the_same(
    tmp_path: Path, begin: Begin, loader: PuppetLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.load("a")

    def fail(handle: object) -> None:
        loader.unloaded.append(handle)  # type: ignore[arg-type]
        raise RuntimeError("stuck")

    monkeypatch.setattr(loader, "unload_version", fail)
    lifecycle.unload("a")
    lifecycle.close()
    assert lifecycle.index() == [IndexEntry("a", 1, UNAVAILABLE, "unloaded")]


def test_few_generations_wait_for_their_requests(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle = begin()
    waiting = threading.Event()
    wait = drains.wait

    def announced_wait(*args: Any, **kwargs: Any) -> Any:
        waiting.set()
        return wait(*args, **kwargs)

    monkeypatch.setattr(drains, "wait", announced_wait)
    gate = loader.unload_gates["a", 1] = Gate()
    for number in range(5):  # four that drain, and the one that serves
        write_model(tmp_path, "a", f"max_batch_size: {number}")
        lifecycle.load("a")
    write_model(tmp_path, "a", "max_batch_size: 9")
    thread = in_thread(lambda: lifecycle.load("a"))
    assert waiting.wait(TIMEOUT_S)
    assert len(loader.loaded) == 5
    gate.opened.set()
    join(thread)
    assert len(loader.loaded) == 6


# ---------------------------------------------------------------- overrides (REP-2)


def test_a_configuration_override_lasts_one_load(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.load("a")
    override = {"config": '{"backend": "puppet", "max_batch_size": 16}'}
    lifecycle.load("a", override)
    lifecycle.load("a", override)
    lifecycle.load("a")
    assert [handle.config.max_batch_size for handle in loader.loaded] == [0, 16, 16, 0]
    assert {handle.model_dir for handle in loader.loaded} == {tmp_path / "a"}


def test_files_replace_the_directory(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a", versions=(1, 9))
    lifecycle = begin()
    lifecycle.load("a", {"config": '{"backend": "puppet"}', "file:2/model.bin": b"new"})
    handle = loader.loaded[0]
    assert (handle.version, handle.model_dir.name) == (2, "a")
    assert (handle.model_dir / "2" / "model.bin").read_bytes() == b"new"
    assert not (handle.model_dir / "9").exists()
    lifecycle.load("a")
    assert loader.ready("a") == [9]
    lifecycle.close()
    assert not handle.model_dir.exists()


def test_files_of_a_failed_load_are_removed(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lifecycle = begin()
    loader.failures["new", 1] = [InvalidArgError("x")]
    files = {"config": '{"backend": "puppet"}', "file:1/m": b""}
    with pytest.raises(InvalidArgError):
        lifecycle.load("new", files)
    with pytest.raises(InternalError, match="no version is available"):
        lifecycle.load("new", {"config": '{"backend": "puppet"}', "file:x": b""})
    with pytest.raises(InternalError, match="unexpected directory name"):
        lifecycle.load("new", {"config": '{"name": "other", "backend": "b"}', "file:1/x": b""})
    lifecycle.close()
    assert list(tmp_path.iterdir()) == []
    assert lifecycle.index() == []  # no repository has it, and it does not serve


def test_a_model_of_files_only_is_forgotten_when_unloaded(
    loader: PuppetLoader, begin: Begin
) -> None:
    lifecycle = begin()
    lifecycle.load("new", {"config": '{"backend": "puppet"}', "file:1/m": b""})
    assert lifecycle.index() == [IndexEntry("new", 1, READY)]
    lifecycle.unload("new")
    assert loader.forgotten == ["new"]
    assert lifecycle.index() == []


def test_bad_parameters_change_nothing(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.load("a")
    for parameters in ({"config": "{"}, {"file:../x": b""}, {"file:x": b""}, {"y": 1}):
        with pytest.raises(InvalidArgError):
            lifecycle.load("a", parameters)  # type: ignore[arg-type]
    assert lifecycle.index() == [IndexEntry("a", 1, READY)]


# ---------------------------------------------------------------- at the same time


def test_loads_of_one_model_wait_for_each_other(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    write_model(tmp_path, "b")
    lifecycle = begin()
    gate = loader.load_gates["a", 1] = Gate()
    first = in_thread(lambda: lifecycle.load("a"))
    gate.wait_reached()
    assert lifecycle.index() == [IndexEntry("a", 1, LOADING), IndexEntry("b")]
    assert loader.published["a"] == ([], [1])
    second = in_thread(lambda: lifecycle.load("a"))
    lifecycle.load("b")  # is not held up
    assert loader.ready("b") == [1]
    gate.opened.set()
    join(first, second)
    assert loader.attempts.count(("a", 1)) == 1  # the second found it unchanged


def test_load_threads_are_bounded(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    gates = []
    for number in range(6):
        write_model(tmp_path, f"m{number}")
        gates.append(loader.load_gates.setdefault((f"m{number}", 1), Gate()))
    lifecycle = begin("none", thread_count=2)
    thread = in_thread(lambda: lifecycle.load_all() and None)
    gates[0].wait_reached()
    gates[1].wait_reached()
    for gate in gates:
        gate.opened.set()
    join(thread)
    assert (loader.most_active, len(loader.loaded)) == (2, 6)


def test_nothing_is_loaded_after_the_end(tmp_path: Path, begin: Begin) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin()
    lifecycle.close()
    with pytest.raises(UnavailableError, match="Server not ready"):
        lifecycle.load("a")


def test_a_storm_of_loads_and_unloads(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    """Whatever the order: every handle is freed once, and never while it is published."""
    names = ["a", "b", "c"]
    for name in names:
        write_model(tmp_path, name, "version_policy { all {} }", versions=(1, 2))
    lifecycle = begin()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(60):
            name = chance.choice(names)
            if chance.random() < 0.1:
                loader.failures[name, 2] = [InvalidArgError("x")]
            try:
                if chance.random() < 0.4:
                    lifecycle.unload(name)
                elif chance.random() < 0.5:
                    lifecycle.load(name, {"config": '{"backend": "puppet"}'})
                elif chance.random() < 0.2:
                    files = {"config": '{"backend": "puppet"}', "file:1/m": b""}
                    lifecycle.load(f"new{number % 3}", files)
                    lifecycle.unload(f"new{number % 3}")
                else:
                    lifecycle.load(name)
                lifecycle.index()
                lifecycle.ready()
            except ServerError as error:
                assert "x;" in error.message

    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(work, seed) for seed in range(4)]:
            future.result(TIMEOUT_S)
    states = {entry.state for entry in lifecycle.index()}
    assert LOADING not in states
