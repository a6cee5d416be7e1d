# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is on disk (contract 3.1)."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from penstock.errors import InvalidArgError
from penstock.models.identity import ModelId, check_model_name
from penstock.models.layout import config_path, list_versions
from penstock.models.repository import open_repository


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(*roots: Path) -> list[str]:
    models, failed = open_repository([str(root) for root in roots]).names()
    assert not failed
    return sorted(model.name for model in models)


def test_models_are_the_folders(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "config.pbtxt")
    touch(tmp_path / "b.c" / "1" / "x")
    touch(tmp_path / "file")
    touch(tmp_path / ".git" / "config")
    assert names(tmp_path) == ["a", "b.c"]
    files = (
        open_repository([str(tmp_path)]).source(ModelId("a")).open("a", lambda done, total: None)
    )
    assert files.model_dir == tmp_path / "a"


@pytest.mark.parametrize(
    "name", ["none", "file", "..", ".", "", " ", "a/1", "../a", "/a", "a\0", ".git", "x" * 5000]
)
def test_what_is_no_model_is_not_found(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "a" / "1" / "x")
    touch(tmp_path / "file")
    touch(tmp_path / ".git" / "config")
    assert open_repository([str(tmp_path)]).sources(ModelId(name)) == []


def test_several_repositories(tmp_path: Path) -> None:
    for name in ("r1/both", "r1/one", "r2/both", "r2/two"):
        (tmp_path / name).mkdir(parents=True)
    roots = [str(tmp_path / "r1"), str(tmp_path / "r2")]
    repository = open_repository([*roots, f"{roots[0]}/../r1/"])
    assert repository.locations == tuple(roots)
    assert [source.location for source in repository.sources(ModelId("both"))] == roots
    assert {model.name: twice for model, twice in repository.known().items()} == {
        "both": True,
        "one": False,
        "two": False,
    }
    look = repository.look({})
    assert (set(look.trees), look.duplicates) == ({ModelId("one"), ModelId("two")}, {"both"})


def test_namespaces_keep_names_apart(tmp_path: Path) -> None:
    for name in ("r1/both", "r1/one", "r2/both"):
        (tmp_path / name).mkdir(parents=True)
    roots = [str(tmp_path / "r1"), str(tmp_path / "r2")]
    repository = open_repository(roots, namespacing=True)
    assert repository.identify("both") == [ModelId("both", root) for root in roots]
    assert repository.identify("one") == [ModelId("one", roots[0])]
    assert len(repository.look({}).trees) == 3


def test_a_repository_must_be_a_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "none", touch(tmp_path / "file")):
        with pytest.raises(InvalidArgError, match="repository path is not a valid directory"):
            open_repository([str(path)])


def test_a_repository_that_vanishes_has_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "r1" / "a" / "x")
    touch(tmp_path / "r2" / "b" / "x")
    repository = open_repository([str(tmp_path / "r1"), str(tmp_path / "r2")])
    shutil.rmtree(tmp_path / "r1")
    models, failed = repository.names()
    assert [model.name for model in models] == ["b"]
    assert "failed to list model repository" in failed[str(tmp_path / "r1")]
    look = repository.look({ModelId("a"): str(tmp_path / "r1")})
    assert (set(look.trees), set(look.failed)) == ({ModelId("b")}, {str(tmp_path / "r1")})
    assert "failed to list model repository" in caplog.text
    assert not repository.has(ModelId("a"))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_empty_names(name: str) -> None:
    with pytest.raises(InvalidArgError) as caught:
        check_model_name(name)
    expected = "Model name cannot be empty. Please enter a valid name to deploy."
    assert caught.value.message == expected


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/", "../a", "a\0b"])
def test_path_names(name: str) -> None:
    with pytest.raises(InvalidArgError) as caught:
        check_model_name(name)
    assert caught.value.message == (
        f"invalid model name '{name}', model name must not contain path traversal characters"
    )


@pytest.mark.parametrize("name", ["a", "a.b", "...", "模型", "a b", "-"])
def test_good_names(name: str) -> None:
    check_model_name(name)


# ---------------------------------------------------------------- versions, configuration


def test_version_directories(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = ["0", "1", "10", "9223372036854775807"]
    silent = ["warmup", "initial_state", "configs", "__pycache__", ".hidden"]
    loud = ["01", "00", "-1", "+1", "1a", "v1", "²", "٣", "9223372036854775808", "1" * 30]
    for name in good + silent + loud:
        (tmp_path / name).mkdir()
    touch(tmp_path / "7")
    with caplog.at_level(logging.WARNING, "penstock.models"):
        assert list_versions(tmp_path) == (0, 1, 10, 9223372036854775807)
    warned = {record.getMessage().split("'")[1] for record in caplog.records}
    assert warned == set(loud)


def test_versions_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    model = tmp_path / "m"
    model.mkdir()
    (model / "3").symlink_to(tmp_path / "elsewhere")
    assert list_versions(model) == (3,)


def test_config_files(tmp_path: Path) -> None:
    assert config_path(tmp_path) is None
    plain = touch(tmp_path / "config.pbtxt")
    assert config_path(tmp_path, "h100") == plain
    special = touch(tmp_path / "configs" / "h100.pbtxt")
    assert config_path(tmp_path, "h100") == special
    assert config_path(tmp_path) == plain
