# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Unpacks the archive of an environment: nothing leaves its folder, and nothing is without bound.

Regular files come first and links last, so that no file is ever written through a link.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from penstock.errors import InvalidArgError

#: Files, folders and links of one archive.
MAX_MEMBERS: Final = 500_000
#: What the disk says of names that cannot be together, or at all.
_BAD_NAMES: Final = frozenset(
    {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP}
)


class ArchiveError(InvalidArgError):
    """An archive that is none, or that holds what it must not."""


def unpack(archive: Path, folder: Path, max_bytes: int) -> None:
    """Unpacks a tar archive, compressed or not, into an empty folder. Raises ArchiveError, OSError.

    Modes are kept but for set-uid bits, and so are the times of files, which byte code is checked
    against. `max_bytes`: of all files together.
    """
    try:
        with tarfile.open(archive, "r|*") as tar:
            links = _unpack_files(tar, folder, max_bytes)
        _make_links(links, folder)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise ArchiveError(f"no archive of tar, or a damaged one: {error}") from None
    except OSError as error:
        if error.errno in _BAD_NAMES:
            raise ArchiveError(f"its members are at odds: {error}") from None
        raise


def _unpack_files(tar: tarfile.TarFile, folder: Path, left: int) -> list[tarfile.TarInfo]:
    """Everything but the symbolic links, which it returns."""
    links: list[tarfile.TarInfo] = []
    for number, member in enumerate(tar):
        if number == MAX_MEMBERS:
            raise ArchiveError(f"it has more than {MAX_MEMBERS} members")
        left -= member.size
        if left < 0:
            raise ArchiveError("it holds more bytes than --environment-cache-byte-size")
        if member.issym():
            links.append(member)
        else:
            _unpack_member(tar, member, folder)
    return links


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = folder / _inside(member.name)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if member.islnk():
        source = folder / _inside(member.linkname)
        if not source.is_file():
            raise ArchiveError(f"'{member.name}' is a link to '{member.linkname}', not yet there")
        path.hardlink_to(source)
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise ArchiveError(f"'{member.name}' is neither a file, a folder nor a link")
    with path.open("xb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    path.chmod(member.mode & 0o755 | 0o600)
    os.utime(path, (member.mtime, member.mtime))


def _make_links(links: list[tarfile.TarInfo], folder: Path) -> None:
    root = folder.resolve()
    for member in links:
        path = root / _inside(member.name)
        if PurePosixPath(member.linkname).is_absolute():
            raise _leads_out(member)
        if path.parent.resolve() != path.parent:
            raise ArchiveError(f"'{member.name}' lies behind a link")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(member.linkname)
    for member in links:  # when all are there: one may go through another
        try:
            target = (root / member.name).resolve()
        except (OSError, RuntimeError):
            raise ArchiveError(f"'{member.name}' is a link that leads in a circle") from None
        if not target.is_relative_to(root):
            raise _leads_out(member)


def _leads_out(member: tarfile.TarInfo) -> ArchiveError:
    return ArchiveError(f"'{member.name}' is a link that leads out of it, to '{member.linkname}'")


def _inside(name: str) -> PurePosixPath:
    """A member's path. Raises ArchiveError when it leads out of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveError(f"'{name}' leads out of it")
    return path
