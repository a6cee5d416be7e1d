# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D4: loads that do not end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from penstock.errors import InvalidArgError, UnavailableError
from penstock.models.lifecycle import Lifecycle
from penstock.models.load_threads import MOST_LEFT_BEHIND, LoadThreads
from puppet import TIMEOUT_S, Gate, PuppetLoader, write_model

SHORT_S = 0.05

Begin = Callable[..., Lifecycle]


class Work:
    """Waits for its gate, and returns its number."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.gate = Gate()
        self.discarded: list[int] = []
        self.thrown_away = threading.Event()

    def __call__(self) -> int:
        self.gate.hold()
        return self.number

    def discard(self, result: int) -> None:
        self.discarded.append(result)
        self.thrown_away.set()

    def cut(self) -> bool:
        self.gate.opened.set()
        return True


@pytest.fixture
def threads() -> Iterator[LoadThreads]:
    made = LoadThreads(1, SHORT_S)
    yield made
    made.close()


def test_what_ends_in_time_is_returned(threads: LoadThreads) -> None:
    work = Work()
    work.gate.opened.set()
    done = threads.submit("it", work, cut=work.cut, discard=work.discard)
    assert done.result(TIMEOUT_S) == 1
    assert work.discarded == []


def test_what_hangs_frees_its_thread_and_is_thrown_away_in_the_end(threads: LoadThreads) -> None:
    hanging, next_one = Work(1), Work(2)
    next_one.gate.opened.set()
    hangs = threads.submit("it", hanging, cut=lambda: False, discard=hanging.discard)
    goes_on = threads.submit("it", next_one, cut=next_one.cut, discard=next_one.discard)
    with pytest.raises(UnavailableError, match="did not load within 0.05 seconds.*goes on"):
        hangs.result(TIMEOUT_S)
    assert goes_on.result(TIMEOUT_S) == 2
    assert hanging.discarded == []
    hanging.gate.opened.set()
    assert hanging.thrown_away.wait(TIMEOUT_S)
    assert hanging.discarded == [1]


def test_what_can_be_cut_is(threads: LoadThreads) -> None:
    work = Work()
    done = threads.submit("it", work, cut=work.cut, discard=work.discard)
    with pytest.raises(UnavailableError, match="its worker process was ended"):
        done.result(TIMEOUT_S)
    assert work.thrown_away.wait(TIMEOUT_S)


def test_what_is_left_behind_is_bounded(threads: LoadThreads) -> None:
    hanging = [Work(number) for number in range(MOST_LEFT_BEHIND)]
    for work in hanging:
        with pytest.raises(UnavailableError, match="goes on"):
            threads.submit("it", work, cut=lambda: False, discard=work.discard).result(TIMEOUT_S)
    work = Work()
    with pytest.raises(UnavailableError, match="16 loads that did not end"):
        threads.submit("it", work, cut=work.cut, discard=work.discard).result(TIMEOUT_S)
    for work in hanging:
        work.gate.opened.set()
        assert work.thrown_away.wait(TIMEOUT_S)
    work = Work()
    work.gate.opened.set()
    done = threads.submit("it", work, cut=work.cut, discard=work.discard)
    assert done.result(TIMEOUT_S) == 1


def test_a_stop_gives_up_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.models.load_threads._CLOSE_S", SHORT_S)
    threads = LoadThreads(1, 0.0)
    work = Work()
    done = threads.submit("it", work, cut=lambda: False, discard=work.discard)
    work.gate.wait_reached()
    threads.close()
    with pytest.raises(UnavailableError, match="the server stops"):
        done.result(0)
    work.gate.opened.set()
    assert work.thrown_away.wait(TIMEOUT_S)


def test_a_version_that_hangs_leaves_what_served(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "m")
    lifecycle = begin(load_models=("m",), timeout_s=SHORT_S)
    assert lifecycle.load_all() == []
    write_model(tmp_path, "m", versions=(2,))
    loader.load_gates["m", 2] = gate = Gate()
    with pytest.raises(InvalidArgError, match="version 2 is at UNAVAILABLE state: it did not load"):
        lifecycle.load("m")
    assert loader.ready("m") == [1]
    assert loader.cut == [("m", 2)]
    (entry,) = lifecycle.index()
    assert "it did not load within 0.05 seconds" in entry.reason
    gate.opened.set()


def test_a_stop_does_not_wait_for_a_load_that_hangs(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.models.load_threads._CLOSE_S", SHORT_S)
    write_model(tmp_path, "m")
    lifecycle = begin()
    lifecycle.load_all()
    loader.load_gates["m", 1] = gate = Gate()
    failures: list[str] = []

    def load() -> None:
        with pytest.raises(InvalidArgError) as caught:
            lifecycle.load("m")
        failures.append(caught.value.message)

    loading = threading.Thread(target=load)
    loading.start()
    gate.wait_reached()
    lifecycle.close()
    loading.join(TIMEOUT_S)
    assert "the server stops" in failures[0]
    loader.unload_gates["m", 1] = thrown_away = Gate()
    thrown_away.opened.set()
    gate.opened.set()
    thrown_away.wait_reached()
