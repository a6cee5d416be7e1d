# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which environment a model has, and which interpreters can be workers (contract 5.1)."""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import re
import select
import sys
import tarfile
from pathlib import Path

import pytest
from penstock import __version__
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import ModelContext
from penstock.errors import Code, ServerError
from penstock.serving.environments import recipes
from penstock.serving.environments.environments import Environments, default_root
from penstock.serving.environments.interpreter import Interpreter, find_interpreter, worker_program
from penstock.serving.environments.recipes import RequirementsRecipe, requirement_texts
from penstock.serving.environments.tool import run_tool
from penstock.serving.workers.start import Lender

OWN_SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
OTHER_SUFFIX = ".cpython-39-x86_64-linux-gnu.so"


def context_of(model_dir: Path, environment: str = "") -> ModelContext:
    config = ModelConfig(name=model_dir.name, backend="python")
    if environment:
        config.parameters["EXECUTION_ENV_PATH"].string_value = environment
    return ModelContext(name=model_dir.name, version=1, model_dir=model_dir, config=config)


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "cache")


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    path = tmp_path / "repository" / "m"
    path.mkdir(parents=True)
    return path


def write_python(prefix: Path, script: str) -> Path:
    """An interpreter: a script of the shell."""
    path = prefix / "bin" / "python"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def says(version: str, suffix: str = OWN_SUFFIX, penstock: str = "", protobuf: str = "") -> str:
    return f"echo '{json.dumps([version, suffix, penstock, protobuf])}'"


def refusal(environments: Environments, context: ModelContext) -> str:
    with pytest.raises(ServerError) as caught:
        environments.open(context, None)
    return caught.value.message


class TestWhichEnvironment:
    def test_none(self, environments: Environments, model_dir: Path, tmp_path: Path) -> None:
        assert environments.open(context_of(model_dir), None) is None
        assert not (tmp_path / "cache").exists()

    def test_a_folder_in_the_models(self, environments: Environments, model_dir: Path) -> None:
        python = write_python(model_dir / "env", says("3.11.0"))
        context = context_of(model_dir, "$$TRITON_MODEL_DIRECTORY/env")
        environment = environments.open(context, Path("/nowhere"))
        assert environment is not None
        assert environment.program.command[0] == str(python)
        environment.release()

    def test_that_of_the_back_end(self, environments: Environments, model_dir: Path) -> None:
        """3.4: for models that name none."""
        python = write_python(model_dir.parent / "env", says("3.11.0"))
        environment = environments.open(context_of(model_dir), python.parent.parent)
        assert environment is not None
        assert environment.program.command[0] == str(python)

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("nowhere", "it cannot be read: No such file or directory"),
            ("empty", "there is no interpreter '.*/empty/bin/python'"),
            ("locked", "the interpreter '.*' is not executable: chmod"),
            ("no.tar.gz", "no archive of tar"),
            ("fails", "does not say which Python it is: it ended with code 3, no such library"),
            ("silent", "does not say which Python it is: it ended with code 0, and said nothing"),
            ("old", "it has protobuf 3.20.3, and a worker needs 4.22 or newer: upgrade it"),
        ],
    )
    def test_what_is_none(
        self, environments: Environments, model_dir: Path, name: str, why: str
    ) -> None:
        """Every text names the model, the environment, and what is wrong with it."""
        (model_dir / "empty").mkdir()
        write_python(model_dir / "locked", "").chmod(0o644)
        write_python(model_dir / "fails", "echo no such library >&2; exit 3")
        write_python(model_dir / "silent", "")
        write_python(model_dir / "old", says("3.11.0", protobuf="3.20.3"))
        (model_dir / "no.tar.gz").write_text("no")
        message = refusal(environments, context_of(model_dir, f"$$TRITON_MODEL_DIRECTORY/{name}"))
        assert message.startswith(f"execution environment '{model_dir}/{name}' of model 'm': ")

        assert re.search(why, message)

    def test_the_users_cache(self) -> None:
        assert default_root({"HOME": "/h"}) == Path("/h/.cache/penstock/environments")
        assert default_root({"XDG_CACHE_HOME": "/x"}) == Path("/x/penstock/environments")


class TestInterpreters:
    def test_the_servers_version_borrows(self) -> None:
        """The server's Penstock first, the rest only where the environment has none."""
        program = worker_program(
            Interpreter(Path("/e/bin/python"), "3.11.0", OWN_SUFFIX), Path("/e")
        )
        python, *options, start, lent = program.command
        assert (python, options, Path(start).name) == ("/e/bin/python", ["-P", "-s"], "start.py")
        names = {"penstock", "numpy", "google.protobuf", "prometheus_client"}
        assert names <= json.loads(lent).keys()
        assert program.variables["PYTHONPATH"] is None
        assert program.variables["VIRTUAL_ENV"] == "/e"
        assert str(program.variables["PATH"]).startswith("/e/bin:")

    def test_another_version_with_a_penstock_of_its_own(self) -> None:
        other = Interpreter(Path("/e/bin/python"), "3.12.1", OTHER_SUFFIX, __version__)
        assert worker_program(other, Path("/e")).command[-1] == "{}"

    @pytest.mark.parametrize("theirs", ["", "0.0.1"])
    def test_another_version_without(self, tmp_path: Path, theirs: str) -> None:
        """The error names both versions, and the cure."""
        path = write_python(tmp_path / "e", says("3.9.18", OTHER_SUFFIX, theirs))
        with pytest.raises(ServerError) as caught:
            worker_program(find_interpreter(tmp_path / "e"), tmp_path / "e")
        assert caught.value.code is Code.INVALID_ARG
        message, own = caught.value.message, ".".join(map(str, sys.version_info[:3]))
        assert "it has Python 3.9.18 (cpython-39-x86_64-linux-gnu)" in message
        assert f"and {f'Penstock {theirs}' if theirs else 'no Penstock'}, the server" in message
        assert f"the server Python {own}" in message
        assert f"'{path} -m pip install penstock=={__version__}'" in message
        assert f"make the environment with Python {own.rpartition('.')[0]}" in message

    def test_this_one(self, tmp_path: Path) -> None:
        """A real interpreter answers; it is not asked in the server's own environment."""
        write_python(tmp_path, f'test -z "$PYTHONPATH" && exec "{sys.executable}" "$@"')
        found = find_interpreter(tmp_path)
        assert found.version == ".".join(map(str, sys.version_info[:3]))
        assert found.suffix == OWN_SUFFIX

    def test_conda(self, tmp_path: Path) -> None:
        (tmp_path / "conda-meta").mkdir()
        program = worker_program(Interpreter(Path("/p"), "3.11.0", OWN_SUFFIX), tmp_path)
        assert program.variables["CONDA_PREFIX"] == str(tmp_path)
        assert program.variables["VIRTUAL_ENV"] is None


class TestLender:
    def test_what_is_lent_is_found_and_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "google" / "protobuf").mkdir(parents=True)
        init = tmp_path / "google" / "protobuf" / "__init__.py"
        init.touch()
        lender = Lender(
            {
                "google.protobuf": (str(init), [str(init.parent)]),
                "google._upb": (None, [str(tmp_path)]),
            }
        )
        google = lender.find_spec("google")
        assert google is not None
        assert google.submodule_search_locations == []  # what else is there stays out of reach
        found = lender.find_spec("google.protobuf", [])
        assert found is not None
        assert found.origin == str(init)
        upb = lender.find_spec("google._upb", [])
        assert upb is not None
        assert upb.submodule_search_locations == [str(tmp_path)]
        for name in ("google.cloud", "goo", "numpy", "google.protobuf.internal"):
            assert lender.find_spec(name, []) is None


class TestRecipes:
    def test_included_requirements_are_part_of_the_content(self, tmp_path: Path) -> None:
        file, more = tmp_path / "requirements.txt", tmp_path / "sub" / "more.txt"
        more.parent.mkdir()
        file.write_text("a==1\n-r sub/more.txt\n-c https://host/c.txt # theirs\n")
        more.write_text("b\n--constraint=../requirements.txt\n")
        assert len(requirement_texts(file)) == 2
        key = RequirementsRecipe(file).key
        assert RequirementsRecipe(file).key == key
        more.write_text("b==2")
        assert RequirementsRecipe(file).key != key

    @pytest.mark.parametrize(
        ("line", "shared"),
        [
            ("numpy==1.26", True),
            ("-f /wheels", True),
            ("--find-links https://host/wheels", True),
            ("p @ https://host/p.whl", True),
            ("-e git+https://host/p", True),
            ("--find-links=wheels", False),
            ("-f ../wheels", False),
            ("./p.whl", False),
            ("wheels/p.whl", False),
            ("-e .", False),
        ],
    )
    def test_who_shares(self, tmp_path: Path, line: str, shared: bool) -> None:
        """Equal texts are one environment, unless they name files by where they are."""
        files = [tmp_path / name / "requirements.txt" for name in "ab"]
        for file in files:
            file.parent.mkdir()
            file.write_text(f"x\n{line}\n")
        keys = {RequirementsRecipe(file).key for file in files}
        assert len(keys) == (1 if shared else 2)

    def test_bounds_of_requirements(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recipes, "_MAX_FILES", 3)
        for number in range(4):
            (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt")
        with pytest.raises(ServerError, match="more than 3 files"):
            requirement_texts(tmp_path / "0.txt")

    def test_conda_unpack_is_run(
        self, environments: Environments, model_dir: Path, tmp_path: Path
    ) -> None:
        """An environment of conda-pack learns its place; the next model finds it so."""
        write_python(tmp_path / "e", f'test -e "$1" && . "$1" || {says("3.11.0")}')
        mend = tmp_path / "e" / "bin" / "conda-unpack"
        mend.write_text('echo once >> "${0%/*}/../mended"')
        archive = model_dir / "e.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(tmp_path / "e", ".")
        for _ in range(2):
            found = environments.open(context_of(model_dir, str(archive)), None)
            assert found is not None
            prefix = Path(found.program.command[0]).parent.parent
            assert prefix.parent == tmp_path / "cache"
            assert (prefix / "mended").read_text() == "once\n"
            found.release()

    def test_a_build_that_fails_says_its_last_lines(
        self, environments: Environments, model_dir: Path
    ) -> None:
        file = model_dir / "requirements.txt"
        file.write_text("--no-such-option\n")
        message = refusal(environments, context_of(model_dir, str(file)))
        assert f"execution environment '{file}' of model 'm': pip of m/requirements.txt" in message
        assert "no such option: --no-such-option" in message


class TestTools:
    def run(self, script: str, folder: Path, timeout_s: float = 20.0) -> None:
        read, write = os.pipe()
        try:
            run_tool(
                ["/bin/sh", "-c", script],
                "tool",
                folder=folder,
                variables={"PATH": os.defpath},
                timeout_s=timeout_s,
                keep_open=write,
            )
        finally:
            os.close(read)
            os.close(write)

    def test_the_end_of_one_that_hangs(self, tmp_path: Path) -> None:
        """What it has started ends with it."""
        script = "sleep 100 & echo $! > child; sleep 100"
        with pytest.raises(ServerError, match="tool was not done in time"):
            self.run(script, tmp_path, timeout_s=0.5)
        with contextlib.suppress(ProcessLookupError):
            child = os.pidfd_open(int((tmp_path / "child").read_text()))
            assert select.select([child], [], [], 20)[0]  # it ends
            os.close(child)

    def test_one_that_fails_without_a_word(self, tmp_path: Path) -> None:
        with pytest.raises(ServerError, match="tool failed with code 7"):
            self.run("exit 7", tmp_path)

    def test_only_the_last_lines_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(ServerError) as caught:
            self.run("for i in $(seq 1000); do echo line $i; done; exit 1", tmp_path)
        lines = caught.value.message.splitlines()
        assert lines[0] == "tool failed with code 1:"
        assert lines[-1] == "line 1000"
        assert len(lines) <= 21
