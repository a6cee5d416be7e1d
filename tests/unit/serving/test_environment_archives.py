# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Archives of execution environments: what they may hold, and what they may not (contract 5.1)."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.serving.environments import archive as archives
from penstock.serving.environments.archive import ArchiveError, unpack

Pack = Callable[..., Path]
FILE, FOLDER, LINK, HARD, FIFO = (
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    def write(*members: tuple[str, bytes, str], mode: str = "w:gz") -> Path:
        """(name, type, content or target) each."""
        path = tmp_path / "environment.tar.gz"
        with tarfile.open(path, mode) as tar:
            for name, kind, text in members:
                member = tarfile.TarInfo(name)
                member.type, member.mode, member.mtime = kind, 0o6755, 1_000_000_000
                if kind == FILE:
                    member.size = len(text)
                else:
                    member.linkname = text
                tar.addfile(member, io.BytesIO(text.encode()))
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("untouched")
    path = tmp_path / "unpacked"
    path.mkdir()
    return path


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "w"])
def test_an_environment(pack: Pack, folder: Path, mode: str) -> None:
    archive = pack(
        ("bin", FOLDER, ""),
        ("bin/python3", LINK, "python"),
        ("bin/python", FILE, "#!"),
        ("./lib/a.py", FILE, "a"),
        ("lib/b.py", HARD, "./lib/a.py"),
        ("lib64", LINK, "lib"),
        mode=mode,
    )
    unpack(archive, folder, 1000)
    assert (folder / "bin" / "python3").read_text() == "#!"
    assert (folder / "lib64" / "b.py").read_text() == "a"
    status = (folder / "bin" / "python").stat()
    assert status.st_mode & 0o7777 == 0o755  # and no set-uid bit
    assert status.st_mtime == 1_000_000_000  # byte code is checked against it


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([("/etc/x", FILE, "")], "'/etc/x' leads out"),
        ([("../outside", FILE, "")], "'../outside' leads out"),
        ([("a/../../outside", FILE, "")], "leads out"),
        ([("..", FOLDER, "")], "leads out"),
        ([("a", LINK, "/etc/passwd")], "'a' is a link that leads out of it, to '/etc/passwd'"),
        ([("a", LINK, "../outside")], "leads out"),
        ([("d/a", LINK, "../../outside")], "leads out"),
        ([("d/l", LINK, ".."), ("a", LINK, "d/l/../outside")], "leads out"),
        ([("a", LINK, "p/l/.."), ("p/l", LINK, "..")], "leads out"),
        ([("a", HARD, "../outside")], "leads out"),
        ([("a", HARD, "/etc/passwd")], "leads out"),
        ([("a", HARD, "b")], "'a' is a link to 'b', not yet there"),
        ([("d", LINK, "."), ("d/a", LINK, "x")], "'d/a' lies behind a link"),
        ([("a", LINK, "b"), ("b", LINK, "a")], "circle"),
        ([("a", FIFO, "")], "'a' is neither a file, a folder nor a link"),
        ([("a", FILE, "x" * 1001)], "--environment-cache-byte-size"),
        ([("a", FILE, "x" * 600), ("b", FILE, "x" * 600)], "--environment-cache-byte-size"),
        ([("a", FILE, "x"), ("a/b", FILE, "x")], "at odds"),
        ([("a/b", FILE, "x"), ("a", FILE, "x")], "at odds"),
        ([("a" * 300, FILE, "x")], "at odds"),
    ],
)
def test_what_it_must_not_hold(
    pack: Pack, folder: Path, members: list[tuple[str, bytes, str]], why: str
) -> None:
    with pytest.raises(ArchiveError, match=why):
        unpack(pack(*members), folder, 1000)
    assert (folder.parent / "outside").read_text() == "untouched"
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        "environment.tar.gz",
        "outside",
        "unpacked",
    ]


def test_no_folder_is_made_through_a_link(pack: Pack, folder: Path, tmp_path: Path) -> None:
    """The one that leads out is only known when all links are there."""
    archive = pack(("out", LINK, ".."), ("out/new/a", LINK, "b"))
    with pytest.raises(ArchiveError, match="'out/new/a' lies behind a link"):
        unpack(archive, folder, 1000)
    assert not (tmp_path / "new").exists()


def test_a_file_never_goes_through_a_link(pack: Pack, folder: Path) -> None:
    """The link comes first in the archive, and last on the disk."""
    with pytest.raises(ArchiveError):
        unpack(pack(("d", LINK, ".."), ("d/outside", FILE, "changed")), folder, 1000)
    assert (folder.parent / "outside").read_text() == "untouched"


def test_a_bound_of_members(pack: Pack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ArchiveError, match="more than 2 members"):
        unpack(pack(*((name, FILE, "") for name in "abc")), folder, 1000)


@pytest.mark.parametrize("keep", [0, 10, 100, 3000])
def test_a_damaged_archive(pack: Pack, folder: Path, keep: int) -> None:
    path = pack(*((str(number), FILE, os.urandom(500).hex()) for number in range(10)))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArchiveError, match="no archive of tar, or a damaged one"):
        unpack(path, folder, 1 << 20)


def test_no_archive(folder: Path) -> None:
    path = folder.parent / "environment.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(2000))
    with pytest.raises(ArchiveError, match="no archive of tar"):
        unpack(path, folder, 1 << 20)
    path.unlink()
