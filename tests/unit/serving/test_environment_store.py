# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The folder of execution environments: built once, whole or not at all, bounded (contract 5.1)."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from penstock.errors import InternalError
from penstock.serving.environments.store import EnvironmentStore

Build = Callable[[Path, int], None]


def of_size(size: int, name: str = "file") -> Build:
    def build(folder: Path, keep_open: int) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / name).write_bytes(b"x" * size)

    return build


def never(folder: Path, keep_open: int) -> None:
    raise AssertionError("it is there already")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "environments"


def test_built_once_and_kept_over_a_restart(root: Path) -> None:
    first = EnvironmentStore(root, 1 << 20).open("a", of_size(10))
    assert (first.path / "deep" / "file").read_bytes() == b"x" * 10
    assert root.stat().st_mode & 0o777 == 0o700
    first.release()
    again = EnvironmentStore(root, 1 << 20).open("a", never)
    assert again.path == first.path
    again.release()


def test_two_models_build_it_once(root: Path) -> None:
    """Also two servers: what holds the second is a lock on a file, not in memory."""
    builds: list[Path] = []
    began, go_on = threading.Event(), threading.Event()

    def build(folder: Path, keep_open: int) -> None:
        builds.append(folder)
        began.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(EnvironmentStore(root, 1 << 20).open, "a", build)
        assert began.wait(20)
        others = [
            threads.submit(EnvironmentStore(root, 1 << 20).open, "a", never) for _ in range(3)
        ]
        assert not any(other.done() for other in others)
        go_on.set()
        found = [first.result(20), *(other.result(20) for other in others)]
    assert len(builds) == 1
    assert {each.path for each in found} == {root / "a"}
    for each in found:
        each.release()


def test_what_fails_leaves_nothing(root: Path) -> None:
    store = EnvironmentStore(root, 1 << 20)

    def build(folder: Path, keep_open: int) -> None:
        (folder / "half").touch()
        raise InternalError("pip failed")

    for _ in range(2):
        with pytest.raises(InternalError, match="pip failed"):
            store.open("a", build)
        assert not (root / "a").exists()
    store.open("a", of_size(1)).release()


def test_what_a_server_left_half_built_is_never_used(root: Path) -> None:
    """A server that was killed leaves a folder without its mark."""
    store = EnvironmentStore(root, 1 << 20)
    store.open("a", of_size(1)).release()
    (root / "a.ready").unlink()
    (root / "a" / "left over").touch()
    (root / "b").mkdir()
    (root / "b.lock").touch()
    found = store.open("a", of_size(1))
    assert not (found.path / "left over").exists()
    assert not (root / "b").exists()
    found.release()


def test_as_long_as_a_killed_servers_pip_runs_nobody_builds(root: Path) -> None:
    """The lock is inherited by what writes in the folder."""
    inherited = []

    def build(folder: Path, keep_open: int) -> None:
        inherited.append(os.dup(keep_open))
        raise InternalError("the server was killed")

    store = EnvironmentStore(root, 1 << 20)
    with pytest.raises(InternalError):
        store.open("a", build)
    with (root / "a.lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(inherited[0])
    store.open("a", of_size(1)).release()


def test_those_that_were_used_last_stay(root: Path) -> None:
    store = EnvironmentStore(root, 3 * 65536)
    used = store.open("used", of_size(60_000))
    for number, key in enumerate(("old", "older")):
        store.open(key, of_size(40_000)).release()
        os.utime(root / f"{key}.ready", (1000 - number, 1000 - number))
    os.utime(root / "used.ready", (1, 1))
    store.open("new", of_size(60_000)).release()
    assert {path.name for path in root.iterdir() if path.is_dir()} == {"used", "old", "new"}
    assert {path.stem for path in root.glob("*.lock")} == {"used", "old", "new"}
    used.release()
    store.open("newer", of_size(60_000)).release()
    assert {path.name for path in root.iterdir() if path.is_dir()} == {"old", "new", "newer"}


def test_one_that_is_larger_than_the_cache_is_refused(root: Path) -> None:
    with pytest.raises(InternalError, match="--environment-cache-byte-size is 4096"):
        EnvironmentStore(root, 4096).open("a", of_size(50_000))
    assert not (root / "a").exists()


def test_nobody_else_may_write_there(root: Path) -> None:
    """What is in it is run with the server's rights."""
    root.mkdir(parents=True)
    root.chmod(0o777)
    with pytest.raises(
        InternalError, match="nobody else may write there: chown it, and chmod go-w"
    ):
        EnvironmentStore(root, 1 << 20).open("a", never)


def test_a_disk_that_does_not_do_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InternalError, match="name another folder with --environment-cache-dir"):
        EnvironmentStore(tmp_path / "file" / "environments", 1 << 20).open("a", never)
