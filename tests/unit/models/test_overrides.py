# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Load parameters (contract REP-2, 12.5 "override typing")."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from penstock.errors import InternalError, InvalidArgError
from penstock.models.overrides import LoadParameter, parse_overrides, write_files

Parameters = dict[str, LoadParameter]


def test_nothing() -> None:
    assert parse_overrides(None) is None
    assert parse_overrides({}) is None


def test_configuration_and_files() -> None:
    overrides = parse_overrides(
        {"config": '{"max_batch_size": 3}', "file:1/./model.py": b"x", "file:a": b""}
    )
    assert overrides is not None
    assert overrides.config.config.max_batch_size == 3
    assert overrides.files == {"1/model.py": b"x", "a": b""}


def traversal(parameter: str, path: str) -> tuple[Parameters, str]:
    return {"config": "{}", parameter: b""}, (
        f"Invalid file parameter '{parameter}' with normalized path '{path}' must stay within "
        "model directory."
    )


ERRORS: list[tuple[Parameters, str]] = [
    ({"config": b"{}"}, "Config parameter 'config' must have string type for its value"),
    ({"config": 3}, "Config parameter 'config' must have string type for its value"),
    ({"file:a": "x"}, "File parameter 'file:a' must have bytes type for its value"),
    ({"x": "y"}, "Unrecognized load parameter 'x' with type 'STRING'"),
    ({"x": True}, "Unrecognized load parameter 'x' with type 'BOOL'"),
    ({"x": 3}, "Unrecognized load parameter 'x' with type 'INT'"),
    ({"x": b""}, "Unrecognized load parameter 'x' with type 'BYTES'"),
    ({"file:1/a": b""}, "Load parameter 'config' must be specified for model file override"),
    traversal("file:../a", "../a"),
    traversal("file:1/../../a", "../a"),
    traversal("file:/etc/passwd", "/etc/passwd"),
    traversal("file:..", ".."),
    traversal("file:", "."),
    traversal("file:1/..", "."),
    traversal("file:a\0b", "a\0b"),
    (
        {"config": "{}", "file:1": b"", "file:1/model.py": b""},
        "Invalid file parameter 'file:1', directory has been created as a file",
    ),
    (
        {"config": "{}", "file:a/b/c/d": b"", "file:a/b": b""},
        "Invalid file parameter 'file:a/b', directory has been created as a file",
    ),
    (
        {"config": "{}", "file:" + "a" * 300: b""},
        "Invalid file parameter 'file:" + "a" * 300 + "', no file can have so long a name",
    ),
    (
        {"config": "{}", "file:a": b"", "file:./a": b""},
        "Invalid file parameter 'file:./a', file is specified more than once",
    ),
]


@pytest.mark.parametrize(("parameters", "message"), ERRORS)
def test_errors(parameters: Parameters, message: str) -> None:
    with pytest.raises(InvalidArgError) as caught:
        parse_overrides(parameters)
    assert caught.value.message == message


def test_the_configuration_must_parse() -> None:
    with pytest.raises(InvalidArgError, match="^Invalid config override: "):
        parse_overrides({"config": "{"})


def test_the_files_are_written() -> None:
    files = write_files("m", {"1/model.py": b"x", "labels.txt": b"y"})
    assert files.model_dir.name == "m"
    assert (files.model_dir / "1" / "model.py").read_bytes() == b"x"
    files.hold()
    files.release()
    assert files.model_dir.exists()
    files.release()
    assert not files.model_dir.parent.exists()


def test_a_disk_that_refuses_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InternalError, match="failed to write the files of model 'm'"):
        write_files("m", {"x" * 5000: b""})
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(InternalError, match="failed to write the files of model 'm'"):
        write_files("m", {"x": b""})
