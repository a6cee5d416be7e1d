# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The parts of worker supervision that need no process: socket, settings, output, event loop."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.python.pb_utils.control import set_model_control
from penstock.backends.python.pb_utils.metrics import (
    MetricFamily,
    custom_metrics,
    observe_changes,
)
from penstock.backends.registry import find_backend
from penstock.errors import Code, InvalidArgError, NotFoundError
from penstock.serving.workers.control import MAX_BYTES, ControlSocket, Message
from penstock.serving.workers.metrics import MetricMirror, MetricReport
from penstock.serving.workers.output import MAX_LINE_BYTES, MAX_LINES_A_SECOND, OutputLog
from penstock.serving.workers.remote_control import RemoteControl, answer_control
from penstock.serving.workers.settings import runs_in_process, worker_settings
from penstock.serving.workers.supervisor import Supervisor


def config_with(backend: str = "python", **parameters: str) -> ModelConfig:
    config = ModelConfig(name="m", backend=backend)
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    return config


@pytest.fixture
def ends() -> Iterator[tuple[ControlSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ControlSocket(ours), theirs
    ours.close()
    theirs.close()


def test_messages_come_whole_whatever_the_pieces(ends: tuple[ControlSocket, socket.socket]) -> None:
    control, peer = ends
    data = json.dumps({"is": "ready", "text": "ü" * 100}).encode()
    frame = struct.pack("<I", len(data)) + data
    for at in range(0, 2 * len(frame), 11):
        peer.sendall((frame * 2)[at : at + 11])
    assert control.receive() == json.loads(data)
    assert control.receive() == json.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", MAX_BYTES + 1),
        struct.pack("<I", 2) + b"[]",
        struct.pack("<I", 3) + b"{x}",
        struct.pack("<I", 40_000) + b"[" * 40_000,
        b"",
    ],
    ids=["too long", "no object", "no JSON", "too deep", "the end"],
)
def test_what_is_no_message_ends_the_socket(
    ends: tuple[ControlSocket, socket.socket], data: bytes
) -> None:
    control, peer = ends
    peer.sendall(data)
    peer.close()
    with pytest.raises(EOFError):
        control.receive()


def test_where_a_model_runs() -> None:
    python, identity = find_backend("python"), find_backend("identity")
    assert runs_in_process(config_with(), python)
    assert runs_in_process(config_with(EXECUTION_MODE="process"), python)
    assert not runs_in_process(config_with(EXECUTION_MODE="in_process"), python)
    assert runs_in_process(config_with("identity", EXECUTION_MODE="process"), identity)
    assert not runs_in_process(config_with("identity"), identity)
    with pytest.raises(InvalidArgError, match="EXECUTION_MODE must be 'process' or 'in_process'"):
        runs_in_process(config_with(EXECUTION_MODE="thread"), python)


@pytest.mark.parametrize("backend", ["python", "identity"])
def test_an_environment_is_for_worker_processes(backend: str) -> None:
    """5.1: the server's own process cannot have another one, and nothing is ignored silently."""
    config = config_with(backend, EXECUTION_ENV_PATH="/e", EXECUTION_MODE="in_process")
    with pytest.raises(InvalidArgError, match="set parameter EXECUTION_MODE to 'process'"):
        runs_in_process(config, find_backend(backend))
    config = config_with(backend, EXECUTION_ENV_PATH="/e", EXECUTION_MODE="process")
    assert runs_in_process(config, find_backend(backend))


def test_settings_of_workers() -> None:
    config = config_with(EXECUTE_TIMEOUT_MS="250", MAX_RSS_BYTES="1000", IDEMPOTENT="True")
    settings = worker_settings(config, {"shm-default-byte-size": "8388608"})
    assert settings.execute_timeout_s == 0.25
    assert settings.max_rss_bytes == 1000
    assert settings.idempotent
    assert settings.niceness == 0
    assert settings.memory.initial_bytes == 8 << 20
    assert worker_settings(config_with(), {}).memory.growth_bytes == 1 << 20


@pytest.mark.parametrize(
    ("parameters", "settings", "niceness"),
    [({}, {}, 0), ({}, {"niceness": "12"}, 12), ({"NICENESS": "0"}, {"niceness": "12"}, 0)],
)
def test_niceness_of_workers(
    parameters: dict[str, str], settings: dict[str, str], niceness: int
) -> None:
    assert worker_settings(config_with(**parameters), settings).niceness == niceness


@pytest.mark.parametrize(
    ("parameters", "settings", "text"),
    [
        ({"EXECUTE_TIMEOUT_MS": "-1"}, {}, "EXECUTE_TIMEOUT_MS"),
        ({"MAX_RSS_BYTES": "9" * 20}, {}, "MAX_RSS_BYTES"),
        ({"IDEMPOTENT": "perhaps"}, {}, "IDEMPOTENT"),
        ({"NICENESS": "20"}, {}, "parameter NICENESS must be 0 to 19, got '20'"),
        ({"NICENESS": "-1"}, {"niceness": "3"}, "NICENESS"),
        ({}, {"niceness": "high"}, "niceness must be 0 to 19, got 'high'"),
        ({}, {"shm-default-byte-size": "1"}, "shm-default-byte-size can't be smaller than 4 MiBs"),
        ({}, {"shm-growth-byte-size": "0"}, "shm-growth-byte-size"),
        ({}, {"shm-max-byte-size": "x"}, "shm-max-byte-size must be a number of bytes, got 'x'"),
        ({}, {"shm-max-byte-size": "1024"}, "shm-max-byte-size can't be smaller"),
    ],
)
def test_settings_that_cannot_be(
    parameters: dict[str, str], settings: dict[str, str], text: str
) -> None:
    with pytest.raises(InvalidArgError, match=text):
        worker_settings(config_with(**parameters), settings)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    os.close(read)


def test_output_is_logged_by_lines(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock")
    log = OutputLog(pipe[0], "m_0_0")
    os.write(pipe[1], b"one\ntw")
    assert log.read()
    os.write(pipe[1], b"o\n" + b"y" * (MAX_LINE_BYTES + 5) + b"\nlast \xff")
    os.close(pipe[1])
    assert not log.read()
    log.finish()
    texts = [record.getMessage() for record in caplog.records]
    assert texts[:2] == ["m_0_0: one", "m_0_0: two"]
    assert len(texts[2]) <= MAX_LINE_BYTES + len("m_0_0: ")
    assert texts[-1] == "m_0_0: last \ufffd"


def test_a_flood_is_counted_and_dropped(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "penstock")
    log = OutputLog(pipe[0], "m_0_0", now=lambda: 5.0)
    os.write(pipe[1], b"x\n" * (MAX_LINES_A_SECOND + 50))
    os.close(pipe[1])
    log.finish()
    assert len(caplog.records) == MAX_LINES_A_SECOND + 1
    assert caplog.records[-1].getMessage() == "m_0_0: 50 lines of output were dropped"


def test_the_supervisor_survives_what_it_calls() -> None:
    supervisor = Supervisor()
    read, write = os.pipe()
    seen = threading.Event()

    def readable() -> None:
        supervisor.forget(read)
        seen.set()
        raise RuntimeError("on purpose")

    supervisor.call(lambda: supervisor.watch(read, readable)).result(5)
    os.write(write, b"x")
    assert seen.wait(5)
    with pytest.raises(ZeroDivisionError):
        supervisor.call(lambda: 1 // 0).result(5)
    order: list[int] = []
    done = threading.Event()

    def start() -> None:
        supervisor.after(0.02, done.set)
        supervisor.after(0.01, lambda: order.append(1))
        supervisor.after(0.0, lambda: order.append(0)).cancel()

    supervisor.call(start).result(5)
    assert done.wait(5)
    assert order == [1]
    os.close(read)
    os.close(write)


def test_metrics_of_a_worker_are_shown_and_go_with_it() -> None:
    def shown() -> list[float]:
        return [s.value for f in custom_metrics.collect() for s in f.samples if s.name == "w_total"]

    mirror = MetricMirror()
    change = ["w_total", "what", "counter", [["a", "b"]], [], "increment", 2.0]
    mirror.apply(
        {"changes": [change, change, ["w_total"], ["w_total", "", "gauge", [], [], "x", 1]]}
    )
    mirror.apply({"changes": 5})
    assert shown() == [4.0]
    mirror.apply({"changes": [[*change[:5], "end", 0.0]]})
    assert shown() == []
    mirror.apply({"changes": [[*change[:5], "begin", 0.0]]})
    assert shown() == [0.0]
    del mirror
    assert shown() == []


def _no_server(question: Message) -> object:
    raise EOFError("nobody answers")


def test_a_value_is_that_of_all_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.serving.workers.metrics._EVERY_S", 3600.0)
    mirror, other = MetricMirror(), MetricMirror()
    asked: list[Message] = []

    def ask(question: Message) -> float:
        observe_changes(None)  # this process is both the worker's and the server's here
        asked.append(question)
        return mirror.value(question)

    report = MetricReport(lambda message: None, ask)
    try:
        gauge = MetricFamily("w_shared", "what", MetricFamily.GAUGE).Metric({"a": "b"})
        named = ["w_shared", "what", "gauge", [["a", "b"]], []]
        other.apply({"changes": [[*named, "set", 40.0]]})
        mirror.apply({"changes": [[*named, "increment", 2.0]]})
        assert gauge.value() == 42.0 and len(asked) == 1
        with pytest.raises(InvalidArgError, match="no such metric"):
            mirror.value({"family": "w_shared", "description": "", "kind": "?", "labels": []})
        observe_changes(None, lambda named: None)
        assert gauge.value() == 42.0  # its own, where nobody knows
    finally:
        observe_changes(None)
        del report


def test_metrics_of_a_worker_are_reported_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.serving.workers.metrics._EVERY_S", 3600.0)
    sent: list[Message] = []
    report = MetricReport(sent.append, _no_server)
    try:
        gauge = MetricFamily("w_now", "what", MetricFamily.GAUGE).Metric({"a": "b"})
        gauge.increment(7)
        gauge.set(2)
        gauge.increment(3)
        times = MetricFamily("w_times", "", MetricFamily.HISTOGRAM).Metric(None, [1.0])
        times.observe(0.5)
        times.observe(2.0)
        del gauge
        report.flush()
        report.flush()
    finally:
        observe_changes(None)
    [message] = sent
    assert [[change[0], *change[-2:]] for change in message["changes"]] == [
        ["w_now", "begin", 0.0],
        ["w_now", "set", 5.0],
        ["w_times", "begin", 0.0],
        ["w_times", "observe", 0.5],
        ["w_times", "observe", 2.0],
        ["w_now", "end", 0.0],
    ]


def test_what_a_process_has_left_open_is_not_waited_for(
    ends: tuple[ControlSocket, socket.socket],
) -> None:
    control, _ = ends
    assert control.received() == []


class _Models:
    """What a server does for models."""

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        if name == "bad":
            raise NotFoundError("no such model")
        self.loaded = (name, config, dict(files))

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        self.unloaded = (name, unload_dependents)

    def is_model_ready(self, name: str, version: str) -> bool:
        return version == "2"


def test_a_worker_asks_its_server_to_control_models() -> None:
    ours, theirs = (ControlSocket(end) for end in socket.socketpair())
    models = _Models()

    def serve() -> None:
        for _ in range(5):
            answer_control(ours, ours.receive(), MetricMirror())

    set_model_control(models)
    try:
        with ThreadPoolExecutor(1) as server:
            served = server.submit(serve)
            remote = RemoteControl(theirs)
            remote.load_model("m", "{}", {"file:1/model.py": b"\xff"})
            assert models.loaded == ("m", "{}", {"file:1/model.py": b"\xff"})
            remote.unload_model("m", True)
            assert models.unloaded == ("m", True)
            assert remote.is_model_ready("m", "2") and not remote.is_model_ready("m", "")
            with pytest.raises(NotFoundError, match="no such model"):
                remote.load_model("bad", "", {})
            served.result()
    finally:
        set_model_control(None)
        ours.close()
        theirs.close()


@pytest.mark.parametrize("question", [{}, {"model": "m", "do": "load"}, {"do": "unload"}])
def test_a_question_that_is_none_is_answered(question: Message) -> None:
    ours, theirs = (ControlSocket(end) for end in socket.socketpair())
    set_model_control(_Models())
    try:
        answer_control(ours, question, MetricMirror())
        assert theirs.receive()["code"] == Code.INVALID_ARG
    finally:
        set_model_control(None)
        ours.close()
        theirs.close()
