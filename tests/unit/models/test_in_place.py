# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Updates in place (R-25), ensembles whose models change (R-24), namespaces (R-4)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.errors import InternalError, InvalidArgError
from penstock.models.lifecycle import IndexEntry, Lifecycle, VersionState
from puppet import TIMEOUT_S, PuppetLoader, write_ensemble, write_model

Begin = Callable[..., Lifecycle]
READY = VersionState.READY


def instances(count: int) -> str:
    return f"instance_group {{ count: {count} kind: KIND_CPU }}"


def when_unloaded(lifecycle: Lifecycle, name: str) -> IndexEntry:
    """Its line of the index, when the last drain of it is over."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        entry = next(entry for entry in lifecycle.index() if entry.name == name)
        if entry.state is VersionState.UNAVAILABLE:
            return entry
        time.sleep(0.001)
    raise AssertionError(f"'{name}' is still {entry.state}")


def test_instances_change_without_a_reload(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a", instances(1))
    lifecycle = begin()
    lifecycle.load("a")
    write_model(tmp_path, "a", instances(3))
    lifecycle.load("a")
    assert loader.attempts == [("a", 1)]
    ((_, new),) = loader.updated
    assert new.config.instance_group[0].count == 3
    assert loader.published["a"] == ([new], [])
    lifecycle.load("a", {"config": json.dumps({"backend": "puppet"})})
    assert (len(loader.attempts), len(loader.updated)) == (1, 2)


def test_the_version_policy_changes_without_a_reload(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a", "version_policy { all {} }", versions=(1, 2, 3))
    lifecycle = begin()
    lifecycle.load("a")
    first = list(loader.published["a"][0])
    write_model(tmp_path, "a", "version_policy { specific { versions: [1, 3] } }")
    lifecycle.load("a")
    assert loader.published["a"][0] == [first[0], first[2]]
    write_model(tmp_path, "a", "version_policy { all {} }")
    lifecycle.load("a")
    assert loader.ready("a") == [1, 2, 3]
    assert sorted(loader.attempts[:3]) == [("a", 1), ("a", 2), ("a", 3)]  # side by side
    assert loader.attempts[3:] == [("a", 2)]


def test_only_the_version_whose_files_changed_is_loaded(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    model = write_model(tmp_path, "a", "version_policy { all {} }", versions=(1, 2))
    lifecycle = begin()
    lifecycle.load("a")
    (model / "2" / "model.bin").write_bytes(b"new")
    lifecycle.load("a")
    versions = [handle.version for handle in loader.loaded]
    assert (sorted(versions[:2]), versions[2:]) == ([1, 2], [2])  # those of a load side by side
    (model / "labels.txt").write_text("for all of them")
    lifecycle.load("a")
    assert len(loader.loaded) == 5


def test_where_it_cannot_be_done_in_place_it_is_reloaded(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a", instances(1))
    lifecycle = begin()
    lifecycle.load("a")
    loader.updatable = False
    write_model(tmp_path, "a", instances(2))
    lifecycle.load("a")
    assert (loader.attempts, loader.updated) == ([("a", 1)] * 2, [])


def test_an_update_that_fails_changes_nothing(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a", instances(1), versions=(1,))
    lifecycle = begin()
    lifecycle.load("a")
    serving = list(loader.published["a"][0])
    write_model(tmp_path, "a", instances(2))
    loader.update_failures = [InternalError("no memory")]
    with pytest.raises(InvalidArgError, match="no memory"):
        lifecycle.load("a")
    assert loader.published["a"][0] == serving
    (entry,) = lifecycle.index()
    assert (entry.state, "no memory" in entry.reason) == (READY, True)
    lifecycle.load("a")
    assert len(loader.updated) == 1


def test_files_of_a_request_live_as_long_as_a_version_of_them(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    lifecycle = begin()
    config = {"backend": "puppet", "instance_group": [{"count": 1, "kind": "KIND_CPU"}]}
    lifecycle.load("new", {"config": json.dumps(config), "file:1/m": b"x"})
    assert loader.loaded[0].model_dir.exists()
    lifecycle.close()
    assert not loader.loaded[0].model_dir.exists()


# ---------------------------------------------------------------- ensembles


def test_an_ensemble_is_built_anew_when_its_model_is_another(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "m")
    write_ensemble(tmp_path, "e", "m")
    lifecycle = begin()
    lifecycle.load("e")
    (tmp_path / "m" / "2").mkdir()
    lifecycle.load("m")  # the same to who calls it
    assert loader.attempts == [("m", 1), ("e", 1), ("m", 2)]
    write_model(tmp_path, "m", "max_batch_size: 4")
    lifecycle.load("m")
    assert loader.attempts[3:] == [("m", 2), ("e", 1)]
    loader.failures["e", 1] = [InvalidArgError("does not fit")]
    write_model(tmp_path, "m", "max_batch_size: 8")
    lifecycle.load("m")
    assert loader.published["e"][0] == []
    entry = when_unloaded(lifecycle, "e")
    assert "does not fit" in entry.reason
    assert loader.ready("m") == [2]


def test_an_ensemble_ends_with_its_model(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "m")
    write_ensemble(tmp_path, "e", "m")
    lifecycle = begin()
    lifecycle.load("e")
    lifecycle.unload("m")
    assert (loader.published["e"][0], loader.published["m"][0]) == ([], [])


# ---------------------------------------------------------------- namespaces


def test_names_may_repeat_in_namespaces(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    roots = [tmp_path / "r1", tmp_path / "r2"]
    for root in roots:
        write_model(root, "m")
        write_ensemble(root, "e", "m")
    write_model(roots[0], "single")
    write_ensemble(roots[1], "other", "single")
    lifecycle = begin("none", roots=roots, namespacing=True)
    assert lifecycle.load_all() == []
    assert set(loader.published) == {
        *(f"{root}::{name}" for root in roots for name in ("m", "e")),
        f"{roots[0]}::single",
        f"{roots[1]}::other",
    }
    assert lifecycle.index().count(IndexEntry("m", 1, READY, namespace=str(roots[0]))) == 1


def test_a_bare_name_must_be_unique(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    roots = [tmp_path / "r1", tmp_path / "r2"]
    for root in roots:
        write_model(root, "m")
    write_model(roots[1], "single")
    lifecycle = begin(roots=roots, namespacing=True)
    lifecycle.load("single")
    assert f"{roots[1]}::single" in loader.published
    lifecycle.unload("single")
    with pytest.raises(InvalidArgError) as caught:
        lifecycle.load("m")
    assert caught.value.message == (
        "There are 2 identifiers of model 'm' in global map, model namespace must be provided to "
        "resolve ambiguity."
    )
