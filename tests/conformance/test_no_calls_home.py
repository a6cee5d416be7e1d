# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Serving tells nobody of the models or of the machine: frameworks' telemetry is off."""

from __future__ import annotations

from pathlib import Path

import pytest
from model_repository import HAVE_ONNX
from server_process import ServerProcess

_SAYS = """
import os
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        print("telemetry off:", os.environ["ORT_DISABLE_TELEMETRY"], flush=True)

    def execute(self, requests):
        return [None] * len(requests)
"""
#: ONNX Runtime sends nothing where these are set, of itself.
_CONTINUOUS_INTEGRATION = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user's files would be."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in (
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "ORT_DISABLE_TELEMETRY",
        *_CONTINUOUS_INTEGRATION,
    ):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.mark.skipif(not HAVE_ONNX, reason="needs onnxruntime")
def test_onnx_runtime_keeps_no_identifier(repository: Path, tmp_path: Path, home: Path) -> None:
    """It would write one, and what it is about to send, before the first session is made."""
    root = tmp_path / "models"
    root.mkdir()
    (root / "linear").symlink_to(repository / "linear")
    with ServerProcess(root, tmp_path / "log"):
        pass
    assert [path for path in home.rglob("*") if "onnxruntime" in path.name] == []


@pytest.mark.parametrize("value", ["", "0"])
def test_models_are_told_unless_the_user_says_otherwise(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    if value:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", value)
    folder = tmp_path / "models" / "says" / "1"
    folder.mkdir(parents=True)
    (folder.parent / "config.pbtxt").write_text('backend: "python"')
    (folder / "model.py").write_text(_SAYS)
    with ServerProcess(tmp_path / "models", tmp_path / "log") as server:
        assert f"telemetry off: {value or '1'}" in server.log
