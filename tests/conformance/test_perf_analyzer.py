# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Triton's own load generator runs unchanged against the door, over HTTP and gRPC."""

from __future__ import annotations

import platform
import re

import perf_analyzer
import pytest
from server_process import ServerProcess

#: A window's; it takes three. Not --request-count: when all requests have ended before its main
#: thread first looks, as on a busy machine, perf_analyzer waits for more for ever.
REQUESTS = 50
WINDOWS = (
    "--measurement-mode=count_windows",
    f"--measurement-request-count={REQUESTS}",
    "--stability-percentage=999",
)

#: Each way of sending that it has: its options besides the model's.
MODES = {
    "http": ("-i", "http", "--concurrency-range=2"),
    "http-json": (
        *("-i", "http", "--concurrency-range=2"),
        *("--input-tensor-format=json", "--output-tensor-format=json"),
    ),
    "http-async": ("-i", "http", "--concurrency-range=16", "--async"),
    "http-rate": ("-i", "http", "--request-rate-range=400", "--request-distribution=poisson"),
    "grpc": ("-i", "grpc", "--concurrency-range=2"),
    "grpc-async": ("-i", "grpc", "--concurrency-range=16", "--async"),
    "grpc-stream": ("-i", "grpc", "--concurrency-range=16", "--async", "--streaming"),
    "grpc-gzip": ("-i", "grpc", "--concurrency-range=2", "--grpc-compression-algorithm=gzip"),
}
#: Where 16 are in flight, a model that takes its time: each second perf_analyzer goes through what
#: it has sent, in time that grows with its square, and sends on meanwhile; from ten thousand a
#: second it never comes out.
MODELS = {
    "native": ("-m", "batcher", "--shape=INPUT0:16"),
    "strings": ("-m", "identity_bytes", "--shape=INPUT0:16", "--string-length=9"),
    "python": ("-m", "add_sub"),
}
CASES = [
    *(("native", mode) for mode in MODES),
    *((model, mode) for model in ("strings", "python") for mode in ("http-json", "http", "grpc")),
]


@pytest.fixture(scope="session")
def analyzer() -> perf_analyzer.PerfAnalyzer:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("perf_analyzer is released for Linux on x86-64")
    try:
        return perf_analyzer.fetch()
    except perf_analyzer.CannotBeHadError as reason:
        pytest.skip(f"perf_analyzer cannot be had: {reason}")


@pytest.mark.parametrize(("model", "mode"), CASES)
def test_it_measures_the_server(
    analyzer: perf_analyzer.PerfAnalyzer, server: ServerProcess, model: str, mode: str
) -> None:
    url = server.http_url if "http" in mode else server.grpc_url
    done = analyzer.run("-u", url, *MODELS[model], *MODES[mode], *WINDOWS)
    assert done.returncode == 0, done.stdout + done.stderr
    client, _, in_server = done.stdout.partition("Server:")
    for pattern, part in (
        (r"\bRequest count: (\d+)", client),
        (r"Successful request count: (\d+)", in_server),  # of the model's statistics
    ):
        counted = re.search(pattern, part)
        assert counted and int(counted.group(1)) >= REQUESTS, done.stdout
