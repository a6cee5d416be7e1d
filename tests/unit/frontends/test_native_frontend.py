# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where the doors' private sockets are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from penstock.frontends.native_frontend import private_directory


def test_a_long_tmpdir_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Unix socket's path has at most 107 bytes."""
    long = tmp_path / ("x" * 100)
    for folder, taken in ((Path("/tmp"), True), (long, False)):
        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        made = private_directory()
        assert (made.parent == folder) == taken
        assert made.stat().st_mode & 0o777 == 0o700
        assert len(bytes(made / "inner:65535")) <= 107
        made.rmdir()
    assert list(long.iterdir()) == []
