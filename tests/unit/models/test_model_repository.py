# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is on disk (contract 3.1)."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
from penstock.errors import InvalidArgError, UnsupportedError
from penstock.models.repository import (
    Repository,
    check_model_name,
    config_path,
    fingerprint,
    list_versions,
)


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_models_are_the_folders(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "config.pbtxt")
    touch(tmp_path / "b.c" / "1" / "x")
    touch(tmp_path / "file")
    touch(tmp_path / ".git" / "config")
    repository = Repository([str(tmp_path)])
    assert repository.scan() == {"a": (tmp_path / "a",), "b.c": (tmp_path / "b.c",)}
    assert repository.find("a") == (tmp_path / "a",)


@pytest.mark.parametrize(
    "name", ["none", "file", "..", ".", "", " ", "a/1", "../a", "/a", "a\0", ".git", "x" * 5000]
)
def test_what_is_no_model_is_not_found(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "a" / "1" / "x")
    touch(tmp_path / "file")
    touch(tmp_path / ".git" / "config")
    assert Repository([str(tmp_path)]).find(name) == ()


def test_several_repositories(tmp_path: Path) -> None:
    for name in ("r1/both", "r1/one", "r2/both", "r2/two"):
        (tmp_path / name).mkdir(parents=True)
    roots = [tmp_path / "r1", tmp_path / "r2"]
    repository = Repository([*map(str, roots), f"{roots[0]}/../r1/"])
    assert repository.find("both") == (roots[0] / "both", roots[1] / "both")
    assert {name: len(paths) for name, paths in repository.scan().items()} == {
        "both": 2,
        "one": 1,
        "two": 1,
    }


def test_a_repository_must_be_a_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "none", touch(tmp_path / "file")):
        with pytest.raises(InvalidArgError, match="repository path is not a valid directory"):
            Repository([str(path)])


@pytest.mark.parametrize("scheme", ["s3", "gs", "as"])
def test_remote_repositories_are_refused_by_name(scheme: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        Repository([f"{scheme}://bucket/models"])
    assert caught.value.message == f"{scheme}:// file-system not supported."


def test_a_repository_that_vanishes_lists_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "r1" / "a" / "x")
    touch(tmp_path / "r2" / "b" / "x")
    repository = Repository([str(tmp_path / "r1"), str(tmp_path / "r2")])
    shutil.rmtree(tmp_path / "r1")
    assert list(repository.scan()) == ["b"]
    assert "failed to list model repository" in caplog.text


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


# ---------------------------------------------------------------- changes


def test_fingerprint_sees_every_change(tmp_path: Path) -> None:
    model = touch(tmp_path / "1" / "model.onnx", "abc")
    seen = [fingerprint(tmp_path)]

    def changed() -> bool:
        seen.append(fingerprint(tmp_path))
        return seen[-1] not in seen[:-1]

    assert not changed()
    touch(model, "abcd")
    assert changed()
    os.utime(model, ns=(1, 1))  # older than before
    assert changed()
    replacement = touch(tmp_path.parent / "replacement", "abcd")
    os.utime(replacement, ns=(1, 1))
    replacement.replace(model)
    assert changed()
    (tmp_path / "2").mkdir()
    assert changed()
    touch(tmp_path / "config.pbtxt")
    assert changed()


def test_fingerprint_ignores_what_python_leaves(tmp_path: Path) -> None:
    touch(tmp_path / "1" / "model.py", "x")
    before = fingerprint(tmp_path)
    touch(tmp_path / "1" / "__pycache__" / "model.pyc")
    assert fingerprint(tmp_path) == before


def test_fingerprint_survives_odd_links(tmp_path: Path) -> None:
    touch(tmp_path / "1" / "model.py", "x")
    (tmp_path / "1" / "loop").symlink_to(tmp_path)
    (tmp_path / "1" / "nowhere").symlink_to(tmp_path / "none")
    assert fingerprint(tmp_path) == fingerprint(tmp_path)


def test_fingerprint_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        fingerprint(tmp_path / "none")
