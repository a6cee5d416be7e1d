# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D6: models that are written while the server polls; the model itself refuses a part of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from changing_models import (
    IDENTITY,
    STRICT,
    WEIGHTS_BYTES,
    answers,
    serve_folder,
    wait_for,
    write_strict_config,
)
from server_process import ServerProcess
from sizes import size

POLL_S = 0.4
#: From the last write on: two polls, the load itself, and a machine that has other things to do.
SERVED_S = 2 * POLL_S + 6.0
PARTS = size(6, 50)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("half-written")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    options = ("--model-control-mode=poll", f"--repository-poll-secs={POLL_S}")
    with serve_folder(root, log, *options, "--strict-readiness=false") as started:
        yield started
        assert "PARTIAL LOAD" not in started.log


def code(model: Path, version: int) -> Path:
    """The version's folder with the model's code, which goes first."""
    write_strict_config(model)
    folder = model / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(STRICT)
    return folder


def parts() -> Iterator[bytes]:
    """The weights in parts, with pauses that no poll outlasts."""
    chunk = WEIGHTS_BYTES // PARTS
    for number in range(PARTS):
        time.sleep(POLL_S / 2)
        yield bytes(chunk if number < PARTS - 1 else WEIGHTS_BYTES - chunk * (PARTS - 1))


def append(model: Path, version: int) -> None:
    with (code(model, version) / "weights").open("ab") as file:
        for part in parts():
            file.write(part)
            file.flush()


def temporary_name(model: Path, version: int) -> None:
    """As rsync does it: hidden names, the code last, so that nothing is loaded without it."""
    write_strict_config(model)
    folder = model / str(version)
    folder.mkdir(parents=True)
    hidden = folder / ".weights.x7Ysq1"
    with hidden.open("wb") as file:
        for part in parts():
            file.write(part)
            file.flush()
    hidden.rename(folder / "weights")
    (folder / ".model.py.Ab3").write_text(STRICT)
    (folder / ".model.py.Ab3").rename(folder / "model.py")


def rename_last(model: Path, version: int) -> None:
    """The whole version appears at once."""
    write_strict_config(model)
    elsewhere = model.parent.parent / f"{model.name}-{version}"
    elsewhere.mkdir()
    (elsewhere / "model.py").write_text(STRICT)
    with (elsewhere / "weights").open("wb") as file:
        for part in parts():
            file.write(part)
    elsewhere.rename(model / str(version))


def touched_configuration(model: Path, version: int) -> None:
    folder = code(model, version)
    with (folder / "weights").open("ab") as file:
        for part in parts():
            os.utime(model / "config.pbtxt")
            file.write(part)
            file.flush()


def in_place_with_old_times(model: Path, version: int) -> None:
    """As `cp -p` and `tar x` leave them: the times of long ago."""
    folder = code(model, version)
    with (folder / "weights").open("ab") as file:
        for part in parts():
            file.write(part)
            file.flush()
            os.utime(folder / "weights", (1, 1))
    os.utime(folder / "model.py", (1, 1))


WRITERS: tuple[Callable[[Path, int], None], ...] = (
    append,
    temporary_name,
    rename_last,
    touched_configuration,
    in_place_with_old_times,
)


@pytest.mark.parametrize("trial", range(size(1, 10)))
@pytest.mark.parametrize("write", WRITERS, ids=lambda writer: writer.__name__)
def test_d6_half_written(
    server: ServerProcess, root: Path, write: Callable[[Path, int], None], trial: int
) -> None:
    name = f"{write.__name__}{trial}"
    write(root / name, 1)
    wait_for(lambda: answers(server, name) == "1", f"{name} is not served", SERVED_S)
    write(root / name, 2)
    wait_for(lambda: answers(server, name) == "2", f"{name} is not swapped", SERVED_S)
    assert "PARTIAL LOAD" not in server.log
    shutil.rmtree(root / name)
    wait_for(lambda: answers(server, name) == "", f"{name} is not unloaded", SERVED_S)


@pytest.mark.parametrize("trial", range(size(1, 10)))
def test_d6_deleted_while_it_loads(server: ServerProcess, root: Path, trial: int) -> None:
    model = root / f"deleted{trial}"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text("import time; time.sleep(1)\n" + STRICT)
    (model / "1" / "weights").write_bytes(bytes(WEIGHTS_BYTES))
    (model / "config.pbtxt").write_text(IDENTITY.replace('"identity"', '"python"'))
    wait_for(lambda: f"loading: {model.name}:1" in server.log, "it is not loaded", SERVED_S)
    shutil.rmtree(model)
    wait_for(
        lambda: model.name not in server.request("POST", "/v2/repository/index", {}).body.decode(),
        "it is still known",
    )


def test_d6_a_mount_that_goes_away(tmp_path: Path, server: ServerProcess, root: Path) -> None:
    """The folder is renamed away and comes back: nothing is unloaded, and nothing loaded anew."""
    folder, away = tmp_path / "mount", tmp_path / "away"
    (folder / "m" / "1").mkdir(parents=True)
    (folder / "m" / "config.pbtxt").write_text(IDENTITY)
    options = ("--model-control-mode=poll", "--repository-poll-secs=0.2")
    with serve_folder(folder, tmp_path / "log", *options) as own:
        folder.rename(away)
        wait_for(lambda: own.log.count("what is loaded of it stays") >= 3, "it does not look")
        assert answers(own, "m") == "1"
        away.rename(folder)
        time.sleep(0.6)
        assert answers(own, "m") == "1"
        assert own.log.count("loading: m:1") == 1
