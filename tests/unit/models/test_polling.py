# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Control mode `poll` over real folders: each look is a call (R-22, X-64, reliability D6)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.errors import InvalidArgError, UnavailableError
from penstock.models.lifecycle import IndexEntry, Lifecycle, VersionState
from puppet import PuppetLoader, write_model

Begin = Callable[..., Lifecycle]
READY = VersionState.READY


class Polled:
    """A life cycle whose polls are made by the test."""

    def __init__(self, begin: Begin, **options: object) -> None:
        self.lifecycle = begin("poll", poll_secs=0, **options)
        self.failures = self.lifecycle.load_all()

    def poll(self, count: int = 1) -> None:
        for _ in range(count):
            self.lifecycle._poller.poll()


def test_the_start_loads_everything(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a")
    polled = Polled(begin)
    assert polled.failures == []
    assert loader.ready("a") == [1]
    polled.poll(3)
    assert len(loader.loaded) == 1
    with pytest.raises(UnavailableError, match="not allowed if polling is enabled"):
        polled.lifecycle.load("a")


def test_what_comes_changes_and_goes(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    polled = Polled(begin)
    write_model(tmp_path, "a")
    polled.poll()
    assert loader.loaded == []
    (entry,) = polled.lifecycle.index()
    assert (entry.state, "still being written" in entry.reason) == (VersionState.UNAVAILABLE, True)
    polled.poll()
    assert loader.ready("a") == [1]
    (tmp_path / "a" / "2").mkdir()
    polled.poll()
    assert loader.ready("a") == [1]
    polled.poll()
    assert loader.ready("a") == [2]
    shutil.rmtree(tmp_path / "a")
    polled.poll()
    assert polled.lifecycle.index() == []


def test_a_file_that_grows_is_never_loaded_in_part(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    polled = Polled(begin)
    model = write_model(tmp_path, "a") / "1" / "model.bin"
    for number in range(8):
        with model.open("ab") as file:
            file.write(b"x" * (number + 1))
        polled.poll()
        assert loader.loaded == []
    polled.poll()
    assert loader.ready("a") == [1]


def test_a_configuration_that_is_touched_delays_nothing(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    model = write_model(tmp_path, "a")
    polled = Polled(begin)
    (model / "2").mkdir()
    for second in range(3):
        os.utime(model / "config.pbtxt", (second, second))
        polled.poll()
    assert loader.ready("a") == [2]
    assert len(loader.loaded) == 2


def test_a_failed_reload_keeps_what_serves_and_is_tried_again(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    model = write_model(tmp_path, "a")
    polled = Polled(begin)
    loader.failures["a", 2] = [InvalidArgError("corrupt")] * 2
    (model / "2").mkdir()
    polled.poll(2)
    (entry,) = polled.lifecycle.index()
    assert (entry.version, entry.state) == (1, READY)
    assert "corrupt" in entry.reason
    polled.poll(20)  # with growing pauses
    assert polled.lifecycle.index()[-1] == IndexEntry("a", 2, READY)
    assert loader.attempts.count(("a", 2)) == 3


def test_a_repository_that_cannot_be_listed_unloads_nothing(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    root = tmp_path / "r"
    write_model(root, "a")
    polled = Polled(begin, roots=[root])
    root.rename(tmp_path / "away")
    polled.poll(3)
    assert loader.ready("a") == [1]
    (tmp_path / "away").rename(root)
    polled.poll(3)
    assert len(loader.loaded) == 1


def test_a_name_that_is_no_longer_unique_is_unloaded(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    roots = [tmp_path / "r1", tmp_path / "r2"]
    for root in roots:
        root.mkdir()
    write_model(roots[0], "a")
    polled = Polled(begin, roots=roots)
    write_model(roots[1], "a")
    polled.poll()
    assert loader.published["a"][0] == []
    (entry,) = polled.lifecycle.index()
    assert entry.state in (VersionState.UNLOADING, VersionState.UNAVAILABLE)
    shutil.rmtree(roots[1] / "a")
    polled.poll(20)
    assert loader.ready("a") == [1]


def test_ensembles_come_after_and_go_before_their_models(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "m")
    step = 'step { model_name: "m" model_version: -1 input_map { key: "i" value: "i" } '
    step += 'output_map { key: "o" value: "o" } }'
    tensor = "data_type: TYPE_FP32 dims: 1"
    ensemble = f'input {{ name: "i" {tensor} }} output {{ name: "o" {tensor} }}'
    (tmp_path / "e" / "1").mkdir(parents=True)
    (tmp_path / "e" / "config.pbtxt").write_text(
        f'platform: "ensemble" {ensemble} ensemble_scheduling {{ {step} }}'
    )
    polled = Polled(begin)
    assert [handle.name for handle in loader.loaded] == ["m", "e"]
    shutil.rmtree(tmp_path / "m")
    polled.poll()
    assert loader.published["e"][0] == []
    assert "m" not in loader.published


def test_a_manifest_is_waited_for(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    polled = Polled(begin)
    model = write_model(tmp_path, "a")
    (model / "penstock-manifest.json").write_text('{"files": {"1/model.bin": {"size": 3}}}')
    polled.poll(3)
    assert loader.loaded == []
    assert polled.lifecycle.index()[0].reason == "'1/model.bin' of its manifest is not there"
    (model / "1" / "model.bin").write_bytes(b"xyz")
    polled.poll()
    assert loader.ready("a") == [1]
