# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The table of back ends (contract 3.4)."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from penstock.backends import registry
from penstock.backends.interface import UsesWorkers
from penstock.errors import Code, ServerError


class Plugin:
    def auto_complete(self, context: object) -> None: ...

    def load(self, context: object) -> None: ...


@pytest.fixture(autouse=True)
def forget_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_found", {})


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    offered: list[EntryPoint] = []

    def entry_points(*, group: str, name: str) -> list[EntryPoint]:
        return [e for e in offered if e.group == group and e.name == name]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return offered


@pytest.mark.parametrize("name", sorted(registry.BACKENDS))
def test_every_name_of_the_table_is_one_object(name: str) -> None:
    try:
        backend = registry.find_backend(name)
    except ServerError as error:
        assert "is not installed: pip install" in error.message
        pytest.skip(error.message)
    assert backend is registry.find_backend(name)
    assert callable(backend.load)
    assert callable(backend.auto_complete)


def test_unknown_name() -> None:
    with pytest.raises(ServerError) as caught:
        registry.find_backend("nothing")
    assert caught.value.code is Code.INVALID_ARG
    assert caught.value.message.startswith(
        "unable to find backend library for backend 'nothing', try specifying runtime on the "
        "model configuration. Back ends of Penstock: identity, jax, "
    )
    assert caught.value.message.endswith("; of installed packages: none")


def test_a_folder_of_python_based_back_ends(tmp_path: Path, offered: list[EntryPoint]) -> None:
    """3.4: one that the folder has; the table and packages go before it."""
    for name in ("mine", "identity", "offered"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").touch()
    offered.append(EntryPoint("offered", f"{__name__}:Plugin", registry.ENTRY_POINT_GROUP))
    mine = registry.find_backend("mine", tmp_path)
    assert isinstance(mine, UsesWorkers)
    assert mine is registry.find_backend("mine", tmp_path)
    assert mine.worker_environment() is None
    (tmp_path / "mine" / "pb_exec_env_model.py.tar.gz").touch()
    assert mine.worker_environment() == tmp_path / "mine" / "pb_exec_env_model.py.tar.gz"
    assert isinstance(registry.find_backend("offered", tmp_path), Plugin)
    assert not isinstance(registry.find_backend("identity", tmp_path), UsesWorkers)


@pytest.mark.parametrize(
    "name", ["other", "..", ".", "../there/mine", "a" * 300, "mine\0", "mine/"]
)
def test_a_name_that_the_folder_has_not(tmp_path: Path, name: str) -> None:
    """3.4: the error says what there is, and no name leads out of the folder."""
    folder = tmp_path / "there"
    for path in (folder / "mine", folder, tmp_path):
        path.mkdir(exist_ok=True, parents=True)
        (path / "model.py").touch()
    with pytest.raises(ServerError) as caught:
        registry.find_backend(name, folder)
    assert caught.value.code is Code.INVALID_ARG
    assert f"of --backend-directory '{folder}': mine; " in caught.value.message
    assert f"'{folder}/{name}/model.py' is not there" in caught.value.message


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="which is no folder: none; "):
        registry.find_backend("mine", tmp_path / "nowhere")


def test_entry_point(offered: list[EntryPoint]) -> None:
    offered.append(EntryPoint("mine", f"{__name__}:Plugin", registry.ENTRY_POINT_GROUP))
    assert isinstance(registry.find_backend("mine"), Plugin)


def test_an_entry_point_never_hides_the_table(offered: list[EntryPoint]) -> None:
    offered.append(EntryPoint("identity", f"{__name__}:Plugin", registry.ENTRY_POINT_GROUP))
    assert not isinstance(registry.find_backend("identity"), Plugin)


def test_a_plugin_that_cannot_be_imported(offered: list[EntryPoint]) -> None:
    offered.append(EntryPoint("broken", "no_such_package:Plugin", registry.ENTRY_POINT_GROUP))
    with pytest.raises(ServerError) as caught:
        registry.find_backend("broken")
    assert caught.value.code is Code.UNSUPPORTED
    assert caught.value.message == (
        "back end 'broken' cannot be loaded: No module named 'no_such_package'"
    )


def test_a_framework_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.backends.onnxruntime.backend.find_spec", lambda name: None)
    with pytest.raises(ServerError) as caught:
        registry.find_backend("onnxruntime")
    assert caught.value.code is Code.UNSUPPORTED
    assert caught.value.message == (
        "back end 'onnxruntime' needs ONNX Runtime, which is not installed: "
        "pip install 'penstock[onnx]'"
    )
    monkeypatch.undo()
    assert registry.find_backend("onnxruntime")  # after it was installed


def test_a_framework_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back ends import their framework when they are first needed."""
    for name in [name for name in sys.modules if name.startswith("penstock.backends.pytorch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ServerError) as caught:
        registry.find_backend("pytorch")
    assert caught.value.code is Code.UNSUPPORTED
    assert caught.value.message == (
        "this model needs PyTorch, which is not installed: pip install 'penstock[torch]'"
    )
