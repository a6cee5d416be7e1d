# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The response cache in a real Redis (contract 4.6): shared, lost, slow, corrupted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_process import ServerProcess, free_ports

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)

#: Y is X + 1, RUNS says how many requests this process has executed.
_COUNTING = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    runs = 0

    def execute(self, requests):
        responses = []
        for request in requests:
            self.runs += 1
            x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
            outputs = [
                pb_utils.Tensor("Y", x + 1),
                pb_utils.Tensor("RUNS", np.array([[self.runs]], np.int32)),
                pb_utils.Tensor("TEXT", np.array([[b"one", b""]], np.object_)),
            ]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""
_PASSWORD = "sesame"
_DEADLINE_S = 20.0


class Redis:
    """A redis-server of the tests' own."""

    def __init__(self, folder: Path, *options: str) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", str(self._folder), *self._options]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_for(lambda: self.call("PING") is not None)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def call(self, *words: str | bytes) -> bytes | None:
        """What Redis answers, as it comes; None: nobody is there."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                for command in (("AUTH", _PASSWORD), ("SELECT", "3"), words):
                    parts = [w.encode() if isinstance(w, str) else w for w in command]
                    message = b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
                    connection.sendall(b"*%d\r\n%s" % (len(parts), message))
                    answer = connection.recv(1 << 20)
                return answer
        except OSError:
            return None

    def entries(self) -> list[bytes]:
        answer = self.call("KEYS", "penstock:*:*:*") or b""
        return [line for line in answer.split(b"\r\n") if line.startswith(b"penstock:")]

    def begins(self, key: bytes) -> bytes | None:
        """The first bytes of an entry."""
        answer = self.call("GETRANGE", key, "0", "99")
        return None if answer is None else answer.partition(b"\r\n")[2][:-2]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared_models")
    (folder / "cached" / "1").mkdir(parents=True)
    (folder / "cached" / "1" / "model.py").write_text(_COUNTING)
    (folder / "cached" / "config.pbtxt").write_text(
        'name: "cached" backend: "python" max_batch_size: 1 response_cache { enable: true }'
        'input { name: "X" data_type: TYPE_FP32 dims: [-1] }'
        'output { name: "Y" data_type: TYPE_FP32 dims: [-1] }'
        'output { name: "RUNS" data_type: TYPE_INT32 dims: [1] }'
        'output { name: "TEXT" data_type: TYPE_STRING dims: [2] }'
    )
    return folder


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    made = Redis(tmp_path, "--requirepass", _PASSWORD)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def serve(
    root: Path, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], ServerProcess]:
    """A server that shares the Redis; its password is in the environment."""
    monkeypatch.setenv("TRITONCACHE_REDIS_PASSWORD", _PASSWORD)

    def make(name: str) -> ServerProcess:
        folder = tmp_path / name
        folder.mkdir()
        options = {"host": "127.0.0.1", "port": str(redis.port), "db": "3"}
        return ServerProcess(
            root,
            folder / "log",
            *(f"--cache-config=redis,{key}={value}" for key, value in options.items()),
        )

    return make


def wait_up(server: ServerProcess, up: int = 1) -> None:
    wait_for(lambda: server.metrics()["penstock_response_cache_up"] == up)


def infer(server: ServerProcess, *values: float) -> int:
    """Checks the answer; how many requests the model had executed when it was made."""
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, len(values)], "data": list(values)}
    reply = server.request("POST", "/v2/models/cached/infer", {"inputs": [tensor]})
    assert reply.status == 200, reply.body
    outputs = {output["name"]: output["data"] for output in reply.json["outputs"]}
    assert outputs["Y"] == [value + 1 for value in values]
    assert outputs["TEXT"] == ["one", ""]
    return int(outputs["RUNS"][0])


def counts(server: ServerProcess) -> dict[str, int]:
    found = server.request("GET", "/v2/models/cached/stats").json["model_stats"][0]
    stages = {name: stage["count"] for name, stage in found["inference_stats"].items()}
    return stages | {"execution_count": found["execution_count"]}


def test_two_servers_share_a_cache(serve: Callable[[str], ServerProcess], redis: Redis) -> None:
    with serve("one") as one, serve("two") as two:
        wait_up(one)
        wait_up(two)
        assert infer(one, 1, 2) == 1
        wait_for(lambda: len(redis.entries()) == 1)
        assert infer(one, 1, 2) == 1
        assert infer(two, 1, 2) == 1
        assert counts(two)["execution_count"] == 0
        assert infer(two, 3, 4) == 1
        wait_for(lambda: len(redis.entries()) == 2)
        assert infer(one, 3, 4) == 1
        found = counts(one)
        assert {name: found[name] for name in ("success", "queue", "cache_hit", "cache_miss")} == {
            "success": 3,
            "queue": 3,
            "cache_hit": 2,
            "cache_miss": 1,
        }
        assert found["execution_count"] == 1
        scrape = one.metrics()
        labels = '{model="cached",version="1"}'
        assert scrape[f"nv_cache_num_hits_per_model{labels}"] == 2  # M-15
        assert scrape[f"nv_cache_num_misses_per_model{labels}"] == 1
        assert scrape[f"nv_cache_hit_duration_per_model{labels}"] > 0  # M-16
        assert f"Response cache: connected to redis at 127.0.0.1:{redis.port}" in one.log
        assert _PASSWORD not in one.log
    assert all(key.startswith(b"penstock:cached:1:") for key in redis.entries())


def test_killed_in_the_middle(serve: Callable[[str], ServerProcess], redis: Redis) -> None:
    with serve("one") as server, ThreadPoolExecutor(8) as threads:
        wait_up(server)
        for value in range(4):
            infer(server, value)
        calls = [threads.submit(infer, server, value % 4) for value in range(600)]
        wait_for(lambda: sum(call.done() for call in calls) > 100)
        redis.stop()
        for call in calls:
            call.result()  # a right answer, all of them
        wait_up(server, 0)
        before = counts(server)["execution_count"]
        infer(server, 1)
        assert counts(server)["execution_count"] == before + 1
        redis.start()
        wait_up(server)
        runs = infer(server, 50)
        wait_for(lambda: len(redis.entries()) > 0)
        assert infer(server, 50) == runs
        wait_for(lambda: server.log.count("Response cache: connected") == 2)
        assert server.log.count("no use of redis at") == 1


def test_a_redis_that_hangs_keeps_nobody_waiting(
    serve: Callable[[str], ServerProcess], redis: Redis
) -> None:
    with serve("one") as server, ThreadPoolExecutor(8) as threads:
        wait_up(server)
        infer(server, 1)
        redis.signal(signal.SIGSTOP)
        try:
            started = time.monotonic()
            for call in [threads.submit(infer, server, 1) for _ in range(8)]:
                call.result()
            assert time.monotonic() - started < 5
            wait_up(server, 0)
            for _ in range(20):
                infer(server, 1)
        finally:
            redis.signal(signal.SIGCONT)
        wait_up(server)


def test_nobody_there_at_the_start(serve: Callable[[str], ServerProcess], redis: Redis) -> None:
    redis.stop()
    with serve("one") as server:
        assert [infer(server, 1) for _ in range(3)] == [1, 2, 3]
        assert counts(server)["cache_miss"] == 0
        redis.start()
        wait_up(server)
        runs = infer(server, 1)
        wait_for(lambda: len(redis.entries()) == 1)
        assert infer(server, 1) == runs


def test_corrupted_entries_are_misses(serve: Callable[[str], ServerProcess], redis: Redis) -> None:
    with serve("one") as server:
        wait_up(server)
        infer(server, 7)
        wait_for(lambda: len(redis.entries()) == 1)
        (key,) = redis.entries()
        entry = (redis.call("GET", key) or b"").partition(b"\r\n")[2][:-2]
        good = counts(server)["execution_count"]
        broken = [b"", b"x", entry[:-1], entry + b"x", entry[:20] + b"\xff" + entry[21:]]
        broken += [os.urandom(len(entry)), b"\x00" * 100_000]
        for bad in broken:
            assert redis.call("SET", key, bad) == b"+OK\r\n"
            good += 1
            assert infer(server, 7) == good
            unchanged = (None, bad[:100])
            wait_for(lambda unchanged=unchanged: redis.begins(key) not in unchanged)
        assert redis.call("DEL", key) == b":1\r\n"
        assert redis.call("LPUSH", key, "no", "string") == b":2\r\n"
        assert infer(server, 7) == good + 1
        assert server.metrics()["penstock_response_cache_up"] == 1


def test_a_wrong_password_is_told(
    serve: Callable[[str], ServerProcess], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITONCACHE_REDIS_PASSWORD", "wrong")
    with serve("one") as server:
        wait_for(lambda: "WRONGPASS" in server.log)
        assert [infer(server, 1) for _ in range(2)] == [1, 2]
        assert server.log.count("no use of redis at") == 1
