# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D7: fifteen faults of an object store, at the start, in a poll and in a load: 45 cases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from changing_models import IDENTITY, STRICT, WEIGHTS_BYTES, answers, index, load, wait_for
from server_process import ServerProcess
from sizes import FULL
from store_double import FAULTS, StoreDouble

pytest.importorskip("obstore")

#: What a request to the store may take; its retries, and those of a part, come on top of it.
TIMEOUT_S = 0.4
PATIENCE_S = 30.0
#: What a poll meets in every run; a load meets all of them.
POLLED = {"forbidden", "empty", "torn_listing", "reset", "stall"}


def model(version: int = 1) -> dict[str, bytes]:
    """A model that refuses to load from a part of its weights."""
    return {
        "config.pbtxt": IDENTITY.replace('"identity"', '"python"').encode(),
        f"{version}/model.py": STRICT.encode(),
        f"{version}/weights": bytes(WEIGHTS_BYTES - 1) + bytes([version]),
    }


def put(double: StoreDouble, name: str, version: int = 1) -> None:
    double.objects |= {f"models/{name}/{path}": data for path, data in model(version).items()}


@pytest.fixture(scope="module")
def double() -> Iterator[StoreDouble]:
    with StoreDouble() as made:
        yield made


def server_of(double: StoreDouble, folder: Path, *options: str) -> ServerProcess:
    server = ServerProcess(
        Path("-"),
        folder / "server.log",
        f"--model-cache-directory={folder / 'cache'}",
        f"--model-store-timeout-secs={TIMEOUT_S}",
        *options,
    )
    place = next(i for i, part in enumerate(server.command) if "--model-repository=" in part)
    server.command[place] = f"--model-repository={double.location}"
    return server


@pytest.fixture(scope="module", params=["poll", "explicit"])
def server(
    request: pytest.FixtureRequest, double: StoreDouble, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("cloud")
    double.inject("")
    double.objects.clear()
    put(double, "steady")
    options = [f"--model-control-mode={request.param}", "--strict-readiness=false"]
    extra = {"poll": "--repository-poll-secs=0.2", "explicit": "--load-model=steady"}
    with server_of(double, folder, *options, extra[request.param]) as started:
        yield started
        assert "PARTIAL LOAD" not in started.log
        double.inject("")


@pytest.mark.parametrize("fault", FAULTS)
def test_d7_beside_what_serves(server: ServerProcess, double: StoreDouble, fault: str) -> None:
    """What is loaded serves on; what is not loaded says why, and is loaded when it is over."""
    polls = "--model-control-mode=poll" in server.command
    if polls and not FULL and fault not in POLLED:
        pytest.skip("with PENSTOCK_FULL=1")
    name = f"new_{fault}"
    assert answers(server, "steady") == "1"
    double.inject(fault)
    put(double, name)
    requests, logged = len(double.requests), len(server.log)
    if polls:
        wait_for(
            lambda: (
                len(double.requests) > requests + 6
                and ("failed to" in server.log[logged:] or "lists no models" in server.log[logged:])
            ),
            f"nothing is said of '{fault}'",
            PATIENCE_S,
        )
    else:
        began = time.monotonic()
        reply = load(server, name)
        assert reply.status == 500, reply.body
        reason = "no model repository has the model" if fault == "empty" else "failed to"
        assert reason in reply.error
        assert "PARTIAL" not in reply.error
        assert time.monotonic() - began < PATIENCE_S
    assert answers(server, "steady") == "1"
    assert all(state != "READY" for _, state, _ in index(server, name))
    assert "169.254" not in server.log[logged:] or "redirect" in fault
    double.inject("")
    if polls:
        wait_for(lambda: answers(server, name) == "1", f"not loaded after '{fault}'", PATIENCE_S)
    else:
        assert load(server, name).status == 200
        assert answers(server, name) == "1"
    assert server.running.poll() is None
    assert server.log.count("loading: steady:1") == 1


@pytest.mark.parametrize("fault", FAULTS if FULL else ["forbidden", "stall", "empty"])
def test_d7_at_the_start(double: StoreDouble, tmp_path: Path, fault: str) -> None:
    """A start that cannot have its models ends with the reason; an empty store has none to load."""
    double.objects.clear()
    put(double, "m")
    double.inject(fault)
    server = server_of(double, tmp_path)
    server.start()
    try:
        if fault == "empty":
            server.wait_ready()
            assert server.stop() == 0
        else:
            assert server.running.wait(PATIENCE_S) == 1
            assert "failed to" in server.log
            assert "failed to load all models" in server.log
        assert "PARTIAL LOAD" not in server.log
        assert "Traceback" not in server.log
    finally:
        server.kill()
        double.inject("")


def test_listings_without_quotes(double: StoreDouble, tmp_path: Path) -> None:
    """As Azure's: the same entity tag has them in the header fields."""
    double.inject("")
    double.objects.clear()
    put(double, "m")
    double.quote = ""
    try:
        with server_of(double, tmp_path) as server:
            assert answers(server, "m") == "1"
    finally:
        double.quote = "&quot;"
