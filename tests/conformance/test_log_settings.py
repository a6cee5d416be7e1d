# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The log: its options, its formats and its settings by every client (1.12, 8.3, H-12, G-20)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from model_repository import write_identity
from server_process import ServerProcess
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

START = {
    "log_file": "",
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_format": "default",
}
LINES = {
    "default": r'[IWE]\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ \w+\.py:\d+\] ".*"',
    "ISO8601": r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [IWE] \d+ \w+\.py:\d+\] ".*"',
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_identity(root, "identity")
    return root


@pytest.fixture(scope="module")
def served(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(repository, log, "--model-control-mode=explicit") as started:
        yield started


@pytest.fixture(autouse=True)
def restore(served: ServerProcess) -> Iterator[None]:
    yield
    changes = {name: value for name, value in START.items() if name != "log_file"}
    assert post(served, **changes) == START


def post(server: ServerProcess, **changes: Any) -> Any:
    reply = server.request("POST", "/v2/logging", changes)
    assert reply.status == 200, reply.body
    return reply.json


def test_get_and_post(served: ServerProcess) -> None:
    """H-12: any subset; the reply has all six fields."""
    reply = served.request("GET", "/v2/logging")
    assert (reply.status, reply.json) == (200, START)
    assert post(served, log_info=False, log_verbose_level=3) == START | {
        "log_info": False,
        "log_verbose_level": 3,
    }
    assert post(served) == START | {"log_info": False, "log_verbose_level": 3}


def test_the_stock_clients(served: ServerProcess) -> None:
    """H-12, G-20."""
    with http_client.InferenceServerClient(served.http_url) as client:
        changed = client.update_log_settings({"log_warning": False, "log_format": "ISO8601"})
        assert changed == START | {"log_warning": False, "log_format": "ISO8601"}
        assert client.get_log_settings() == changed
    with grpc_client.InferenceServerClient(served.grpc_url) as client:
        settings = client.update_log_settings({"log_error": False, "log_verbose_level": 2})
        kinds = {n: v.WhichOneof("parameter_choice") for n, v in settings.settings.items()}
        assert kinds == {
            "log_file": "string_param",
            "log_info": "bool_param",
            "log_warning": "bool_param",
            "log_error": "bool_param",
            "log_verbose_level": "uint32_param",
            "log_format": "string_param",
        }
        assert settings.settings["log_verbose_level"].uint32_param == 2
        assert client.get_log_settings() == settings


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"log_file": "/tmp/x"}, 501, "log file location can not be updated through network"),
        ({"log_format": "fancy"}, 503, "invalid argument for --log_format, got: fancy"),
        ({"log_format": 5}, 400, "expect string for 'log_format'"),
        ({"log_info": 1}, 400, "expect boolean for 'log_info'"),
        ({"log_verbose_level": "2"}, 400, "expect int32 for 'log_verbose_level'"),
        ({"log_verbose_level": -1}, 400, "expect int32 for 'log_verbose_level'"),
        ({"log_verbose_level": True}, 400, "expect int32 for 'log_verbose_level'"),
        ({"log_colour": True}, 400, "unknown log setting 'log_colour'"),
        ({"log_info": False, "log_error": 7}, 400, "expect boolean for 'log_error'"),
        ([], 400, "the request JSON must be an object"),
    ],
)
def test_errors_over_http(served: ServerProcess, changes: Any, status: int, text: str) -> None:
    """1.12; one bad setting leaves all as they are."""
    reply = served.request("POST", "/v2/logging", changes)
    assert reply.status == status and text in reply.error
    assert served.request("GET", "/v2/logging").json == START


@pytest.mark.parametrize(
    ("name", "value", "code", "text"),
    [
        ("log_file", "/tmp/x", "UNIMPLEMENTED", "log file location can not be updated through"),
        ("log_format", "fancy", "INVALID_ARGUMENT", "invalid argument for log_format, got: fancy"),
        ("log_format", True, "INVALID_ARGUMENT", "expect string for 'log_format'"),
        ("log_info", "on", "INVALID_ARGUMENT", "expect boolean for 'log_info'"),
        ("log_verbose_level", "1", "INVALID_ARGUMENT", "expect int32 for 'log_verbose_level'"),
    ],
)
def test_errors_over_grpc(
    served: ServerProcess, name: str, value: Any, code: str, text: str
) -> None:
    request = service_pb2.LogSettingsRequest()
    kind = "bool_param" if isinstance(value, bool) else "string_param"
    setattr(request.settings[name], kind, value)
    with (
        grpc_client.InferenceServerClient(served.grpc_url) as client,
        pytest.raises(grpc.RpcError) as failed,
    ):
        client._client_stub.LogSettings(request)
    assert failed.value.code() is getattr(grpc.StatusCode, code)
    assert text in failed.value.details()
    with (
        pytest.raises(InferenceServerException),
        http_client.InferenceServerClient(served.http_url) as http,
    ):
        http.update_log_settings({"log_format": "fancy"})


def new_lines(server: ServerProcess) -> list[str]:
    """The lines that loading a model writes."""
    before = len(server.log)
    for action in ("load", "unload"):
        assert server.request("POST", f"/v2/repository/models/identity/{action}").status == 200
    return server.log[before:].splitlines()


@pytest.mark.parametrize("style", ["default", "ISO8601"])
def test_lines(served: ServerProcess, style: str) -> None:
    """8.3, X-59."""
    post(served, log_format=style)
    lines = new_lines(served)
    assert lines
    assert all(re.fullmatch(LINES[style], line) for line in lines), lines


def test_lines_of_json(served: ServerProcess) -> None:
    post(served, log_format="json")
    lines = [json.loads(line) for line in new_lines(served)]
    assert any("successfully loaded 'identity'" in line["message"] for line in lines)
    assert all(set(line) == {"time", "level", "pid", "file", "line", "message"} for line in lines)
    assert {line["pid"] for line in lines} == {served.running.pid}


def test_levels_can_be_turned_off(served: ServerProcess) -> None:
    post(served, log_info=False)
    assert new_lines(served) == []
    served.request("POST", "/v2/repository/models/nobody/load")
    assert "Poll failed for model directory 'nobody'" in served.log


def test_options(repository: Path, tmp_path: Path) -> None:
    """O-4..O-7: everything goes to the file, which is appended to."""
    file = tmp_path / "lines"
    file.write_text("before\n")
    options = ["--log-verbose=2", "--log-warning=false", "--log-format=iso8601"]
    with ServerProcess(repository, tmp_path / "log", f"--log-file={file}", *options) as server:
        assert server.request("GET", "/v2/logging").json == {
            "log_file": str(file),
            "log_info": True,
            "log_warning": False,
            "log_error": True,
            "log_verbose_level": 2,
            "log_format": "ISO8601",
        }
    first, *lines = file.read_text().splitlines()
    assert first == "before"
    assert any("Started HTTPService" in line for line in lines)
    assert all(re.fullmatch(LINES["ISO8601"], line) for line in lines if line[0].isdigit())
    assert "Started" not in server.log


def test_options_of_json(repository: Path, tmp_path: Path) -> None:
    """Every line of the console is an object, tables among them."""
    with ServerProcess(repository, tmp_path / "log", "--log-format=json") as server:
        lines = [json.loads(line) for line in server.log.splitlines()]
    assert any("| Model" in line["message"] for line in lines)


def test_a_file_that_cannot_be_opened(repository: Path, tmp_path: Path) -> None:
    server = ServerProcess(repository, tmp_path / "log", f"--log-file={tmp_path}/none/lines")
    server.start()
    assert server.running.wait(30) == 1
    assert server.log.startswith("error: unable to open the log file")
    assert os.linesep not in server.log.strip()
