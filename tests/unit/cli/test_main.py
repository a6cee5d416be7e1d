# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The commands, up to where the server would start."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock import __version__
from penstock.cli import serve as serve_module
from penstock.cli.main import main, tritonserver
from penstock.config.settings import Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that a server would have been run with."""
    calls: list[Settings] = []

    def serve(settings: Settings) -> int:
        calls.append(settings)
        return 7

    monkeypatch.setattr(serve_module, "serve", serve)
    return calls


def test_serve_has_our_defaults(served: list[Settings], tmp_path: Path) -> None:
    assert main(["serve", f"--model-repository={tmp_path}", "--http-port=0"]) == 7
    assert (served[0].id, served[0].http_address, served[0].http_port) == (
        "penstock",
        "127.0.0.1",
        0,
    )


def test_tritonserver_has_tritons_defaults(served: list[Settings], tmp_path: Path) -> None:
    assert tritonserver([f"--model-repository={tmp_path}"]) == 7
    assert (served[0].id, served[0].http_address, served[0].grpc_address) == (
        "triton",
        "0.0.0.0",
        "0.0.0.0",
    )


def test_a_bad_flag_is_one_cause(
    served: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--http-port=99999", "--model-repository=/"]) == 1
    assert served == []
    assert capsys.readouterr().err.splitlines() == [
        'Bad option: "--http-port".',
        "Provided option value is out of bound. Got 99999",
        "Try 'penstock serve --help' for all options.",
    ]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "serve" in capsys.readouterr().out
    assert main(["serve", "--help"]) == 0
    assert "--model-repository" in capsys.readouterr().out
    assert tritonserver(["--help"]) == 1  # as Triton does, on stderr
    assert "--model-repository" in capsys.readouterr().err


def test_no_command_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"penstock {__version__}\n"


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 1
    assert "unknown command 'fly'" in capsys.readouterr().err
