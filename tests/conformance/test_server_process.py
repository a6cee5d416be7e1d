# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The process: start-up lines, exit codes, one-line causes, the graceful stop (3.6, H-28, H-29)."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from server_process import Reply, ServerProcess


def small_repository(repository: Path, tmp_path: Path, *names: str) -> Path:
    root = tmp_path / "models"
    root.mkdir()
    for name in names:
        (root / name).symlink_to(repository / name)
    return root


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_start_up_lines(server: ServerProcess) -> None:
    log = server.log
    for line in (
        f'"Started HTTPService at {server.http_url}"',
        f'"Started GRPCInferenceService at {server.grpc_url}"',
        f'"Started Metrics Service at 127.0.0.1:{server.metrics_port}"',
    ):
        assert line in log
    rows = [row.split() for row in log.splitlines() if row.startswith("| ")]
    assert rows[0] == ["|", "Model", "|", "Version", "|", "Status", "|"]
    assert ["|", "pair", "|", "1", "|", "READY", "|"] in rows


@pytest.mark.parametrize("port", ["http", "grpc", "metrics"])
def test_a_taken_port(repository: Path, tmp_path: Path, port: str) -> None:
    """H-29: all or nothing, exit code 1, and the cause in one line."""
    root = small_repository(repository, tmp_path, "unbatched")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        other = ServerProcess(root, tmp_path / "log", f"--{port}-port={number}")
        other.start()
        assert other.running.wait(20) == 1
        errors = [line for line in other.log.splitlines() if line.startswith("error: ")]
        assert errors == [
            f"error: creating server: Unavailable - Socket '127.0.0.1:{number}' already in use "
        ]
        assert "Traceback" not in other.log


def test_a_missing_repository(tmp_path: Path) -> None:
    """R-1."""
    result = run("serve", f"--model-repository={tmp_path / 'none'}", "--http-port=0")
    assert result.returncode == 1
    assert "repository path is not a valid directory" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "--model-repository must be specified"),
        (("--http-prot=1", "--model-repository=/"), 'Bad option: "--http-prot"'),
        (("--http-port=x", "--model-repository=/"), "Invalid option value. Got x"),
        (("extra",), "Unexpected argument: extra"),
        (("--log-file=/no/such/folder/log", "--model-repository=/"), "unable to open the log file"),
    ],
)
def test_a_bad_command_line(arguments: tuple[str, ...], text: str) -> None:
    result = run("serve", *arguments)
    assert result.returncode == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["--version"]])
def test_help(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 0
    assert result.stdout
    assert result.stderr == ""


def test_an_unknown_command() -> None:
    result = run("fly")
    assert result.returncode == 1
    assert "unknown command 'fly'" in result.stderr


def test_a_failed_model_ends_the_start(repository: Path, tmp_path: Path) -> None:
    """R-21, X-62."""
    root = small_repository(repository, tmp_path, "unbatched", "broken")
    failing = ServerProcess(root, tmp_path / "log")
    failing.start()
    assert failing.running.wait(20) == 1
    assert "error: creating server: Internal - failed to load all models" in failing.log
    assert "no weights today" in failing.log


@pytest.mark.parametrize(("strict", "status"), [("true", 400), ("false", 200)])
def test_a_failed_model_may_be_left_out(
    repository: Path, tmp_path: Path, strict: str, status: int
) -> None:
    """R-21, S-READY, X-3: not ready is 400 with an empty body."""
    root = small_repository(repository, tmp_path, "unbatched", "broken")
    log = tmp_path / "log"
    options = ("--exit-on-error=false", f"--strict-readiness={strict}")
    server = ServerProcess(root, log, *options)
    server.start()
    try:
        wait_for(lambda: "Started HTTPService" in server.log, server)
        reply = server.request("GET", "/v2/health/ready")
        assert (reply.status, reply.body) == (status, b"")
        assert server.request("GET", "/v2/health/live").status == 200
        assert server.request("GET", "/v2/models/unbatched/ready").status == 200
        reply = server.request("GET", "/v2/models/broken/ready")
        assert reply.status in (400, 404)
        assert server.stop() == 0
    finally:
        server.kill()


def test_not_ready_while_models_load(repository: Path, tmp_path: Path) -> None:
    """H-24, X-3: it listens, it lives, but it is not ready yet."""
    root = tmp_path / "models"
    (root / "late" / "1").mkdir(parents=True)
    config = (repository / "unbatched" / "config.pbtxt").read_text().replace("unbatched", "late")
    delay = 'parameters { key: "creation_delay_sec" value: { string_value: "1" } }'
    (root / "late" / "config.pbtxt").write_text(f"{config}\n{delay}")
    server = ServerProcess(root, tmp_path / "log")
    server.start()
    try:
        wait_for(lambda: responds(server), server)
        assert (server.request("GET", "/v2/health/ready").status) == 400
        for method, path in (
            ("GET", "/v2/models/late"),
            ("POST", "/v2/models/late/infer"),
            ("POST", "/v2/repository/index"),
        ):
            reply = server.request(method, path)
            assert (reply.status, reply.error) == (503, "Server not ready")
        server.wait_ready()
        assert server.request("GET", "/v2/models/late/ready").status == 200
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(repository: Path, tmp_path: Path, number: int) -> None:
    """3.6: what is in flight is finished, new connections are refused, exit code 0."""
    root = small_repository(repository, tmp_path, "slow")
    with ServerProcess(root, tmp_path / "log") as server:
        kept = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
        kept.request("GET", "/v2/health/ready")
        assert kept.getresponse().read() == b""
        replies: list[Reply] = []
        threads = [threading.Thread(target=lambda: replies.append(slow(server))) for _ in range(3)]
        for thread in threads:
            thread.start()
        pending = 'nv_inference_pending_request_count{model="slow",version="1"}'
        wait_for(lambda: server.metrics()[pending] == 2, server)
        server.running.send_signal(number)
        wait_for(lambda: not responds(server), server)
        kept.request("GET", "/v2/health/ready")
        answer = kept.getresponse()
        assert (answer.status, json.loads(answer.read())) == (503, {"error": "Server exiting"})
        kept.close()
        assert server.running.wait(20) == 0
        for thread in threads:
            thread.join()
        assert [reply.status for reply in replies] == [200, 200, 200]
        assert f"Signal ({int(number)}) received." in server.log
        assert "successfully unloaded 'slow' version 1" in server.log


def test_a_stop_lets_grpc_finish(repository: Path, tmp_path: Path) -> None:
    """3.6, G-29: calls in flight are answered, and an idle stream does not hold up the end."""
    root = small_repository(repository, tmp_path, "slow")
    with ServerProcess(root, tmp_path / "log") as server:
        client = grpc_client.InferenceServerClient(server.grpc_url)
        tensor = grpc_client.InferInput("INPUT0", [1, 1], "FP32")
        tensor.set_data_from_numpy(np.ones((1, 1), np.float32))
        results: queue.Queue[tuple[Any, Any]] = queue.Queue()
        client.start_stream(lambda result, error: results.put((result, error)))
        client.async_stream_infer("slow", [tensor])
        assert results.get(timeout=20)[1] is None
        finished: queue.Queue[Any] = queue.Queue()
        for _ in range(2):
            client.async_infer("slow", [tensor], lambda result, error: finished.put(error))
        pending = 'nv_inference_pending_request_count{model="slow",version="1"}'
        wait_for(lambda: server.metrics()[pending] == 1, server)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 5
        assert [finished.get(timeout=20) for _ in range(2)] == [None, None]
        error = results.get(timeout=20)[1]
        assert error.message() == (
            "GRPC server is shutting down and has stopped accepting new requests."
        )
        client.close()


def test_the_drain_has_an_end(repository: Path, tmp_path: Path) -> None:
    """3.6: exit code 1 when --exit-timeout-secs is over."""
    root = tmp_path / "models"
    (root / "stuck" / "1").mkdir(parents=True)
    config = (repository / "slow" / "config.pbtxt").read_text()
    config = config.replace("slow", "stuck").replace('"400"', '"3000"')
    (root / "stuck" / "config.pbtxt").write_text(config)
    server = ServerProcess(root, tmp_path / "log", "--exit-timeout-secs=1")
    server.start()
    try:
        server.wait_ready()
        threads = [
            threading.Thread(target=lambda: ignore_errors(slow, server, "stuck")) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        pending = 'nv_inference_pending_request_count{model="stuck",version="1"}'
        wait_for(lambda: server.metrics()[pending] == 1, server)  # the other one runs
        assert server.stop() == 1
        for thread in threads:
            thread.join()
        assert "Exit timeout expired. Exiting immediately." in server.log
    finally:
        server.kill()


def slow(server: ServerProcess, model: str = "slow") -> Reply:
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}
    return server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})


def ignore_errors(function: Any, *arguments: Any) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        function(*arguments)


def responds(server: ServerProcess) -> bool:
    try:
        return server.request("GET", "/v2/health/live").status == 200
    except (OSError, http.client.HTTPException):
        return False


def wait_for(condition: Any, server: ServerProcess) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, server.log
        assert server.running.poll() is None, server.log
        time.sleep(0.01)
