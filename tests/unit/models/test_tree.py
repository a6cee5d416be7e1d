# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which files changed (R-22, by content), and when a model is complete."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from penstock.models.manifest import MANIFEST, missing_from
from penstock.models.tree import Stamp, Tree, look_at


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def looked(root: Path) -> Tree:
    """A look whose content is known from then on."""
    tree = look_at(root)
    tree.remember_content()
    return tree


def test_every_change_of_content_is_seen(tmp_path: Path) -> None:
    model = touch(tmp_path / "1" / "model.onnx", "abc")
    before = looked(tmp_path)
    assert looked(tmp_path).changes_since(before) == frozenset()

    touch(model, "abcd")
    assert looked(tmp_path).changes_since(before) == {"1/model.onnx"}
    (tmp_path / "2").mkdir()
    touch(tmp_path / "config.pbtxt")
    assert looked(tmp_path).changes_since(before) == {"1/model.onnx", "2", "config.pbtxt"}
    model.unlink()
    assert "1/model.onnx" in looked(tmp_path).changes_since(before)


def test_content_decides_not_the_times(tmp_path: Path) -> None:
    """Better than R-22: an older file counts, a touched one does not."""
    model = touch(tmp_path / "1" / "model.onnx", "abc")
    os.utime(model, ns=(5, 5))
    before = looked(tmp_path)
    os.utime(model, ns=(9, 9))
    assert looked(tmp_path).changes_since(before) == frozenset()
    touch(model, "xyz")  # in place, of the same size, and its time set back
    os.utime(model, ns=(5, 5))
    assert looked(tmp_path).changes_since(before) == {"1/model.onnx"}
    replacement = touch(tmp_path.parent / "replacement", "abc")
    replacement.replace(model)
    assert looked(tmp_path).changes_since(before) == frozenset()


def test_what_was_never_read_is_taken_for_changed(tmp_path: Path) -> None:
    model = touch(tmp_path / "model.onnx", "abc")
    before = look_at(tmp_path)
    os.utime(model, ns=(9, 9))
    assert look_at(tmp_path).changes_since(before) == {"model.onnx"}


def test_what_frameworks_leave_is_ignored(tmp_path: Path) -> None:
    touch(tmp_path / "1" / "model.py", "x")
    before = look_at(tmp_path)
    touch(tmp_path / "1" / "__pycache__" / "model.pyc")
    touch(tmp_path / "1" / ".model.py.swp")
    assert look_at(tmp_path).changes_since(before) == frozenset()


def test_odd_links(tmp_path: Path) -> None:
    touch(tmp_path / "1" / "model.py", "x")
    (tmp_path / "1" / "loop").symlink_to(tmp_path)
    (tmp_path / "1" / "nowhere").symlink_to(tmp_path / "none")
    assert look_at(tmp_path).changes_since(look_at(tmp_path)) == frozenset()
    with pytest.raises(OSError):
        look_at(tmp_path / "none")


def test_a_folder_that_is_renamed_keeps_its_time(tmp_path: Path) -> None:
    made = touch(tmp_path / "elsewhere" / "model.onnx", "abc").parent
    (tmp_path / "m").mkdir()
    written = look_at(made).newest_ns
    made.rename(tmp_path / "m" / "1")
    assert look_at(tmp_path / "m").newest_ns <= max(written, os.stat(tmp_path / "m/1").st_mtime_ns)
    touch(tmp_path / "m" / "1" / "more", "x")
    assert look_at(tmp_path / "m").newest_ns > written


def test_entity_tags_stand_for_content() -> None:
    first = Tree({"x": Stamp(1, 5, etag="a")}, frozenset())
    assert Tree({"x": Stamp(1, 9, etag="a")}, frozenset()).changes_since(first) == frozenset()
    assert Tree({"x": Stamp(1, 5, etag="b")}, frozenset()).changes_since(first) == {"x"}


# ---------------------------------------------------------------- manifest


def write_manifest(root: Path, files: dict[str, dict[str, object]]) -> None:
    (root / MANIFEST).write_text(json.dumps({"files": files}))


def test_a_manifest_says_what_is_missing(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"abc").hexdigest()
    assert missing_from(look_at(tmp_path)) is None
    write_manifest(tmp_path, {"1/m": {"size": 3, "sha256": digest}})
    assert missing_from(look_at(tmp_path)) == "'1/m' of its manifest is not there"
    touch(tmp_path / "1" / "m", "ab")
    assert missing_from(look_at(tmp_path)) == "'1/m' has 2 bytes, its manifest says 3"
    touch(tmp_path / "1" / "m", "abx")
    assert "is not the file of its manifest" in (missing_from(look_at(tmp_path)) or "")
    touch(tmp_path / "1" / "m", "abc")
    assert missing_from(look_at(tmp_path)) == ""


@pytest.mark.parametrize("text", ["{", "[]", '{"files": []}', '{"files": {"a": 1}}', "[" * 10**5])
def test_a_bad_manifest_is_never_complete(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert "cannot be read" in (missing_from(look_at(tmp_path)) or "")
