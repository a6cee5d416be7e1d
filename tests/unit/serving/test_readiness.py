# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ReadinessPoll: when an instance is asked, and what is told of its answers."""

from __future__ import annotations

import queue
import threading

import pytest
from penstock.serving import readiness
from penstock.serving.instances import Lives
from penstock.serving.readiness import ReadinessPoll

TIMEOUT_S = 10.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_EVERY_S", 0.001)


def test_changes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    poll = ReadinessPoll("m_0", lambda: answers.get(timeout=TIMEOUT_S), told.put)
    try:
        for answer in ("", "cold", "cold", "colder", "", "", "cold"):
            answers.put(answer)
        assert [told.get(timeout=TIMEOUT_S) for _ in range(4)] == ["cold", "colder", "", "cold"]
        assert "instance 'm_0' is ready again" in caplog.text
    finally:
        answers.put("")
        poll.end()


def test_a_model_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-63. It is asked once, not once again each time."""
    monkeypatch.setattr(readiness, "_LIMIT_S", 0.01)
    asked, let_go = [], threading.Event()

    def check() -> str:
        asked.append(1)
        let_go.wait(TIMEOUT_S)
        return ""

    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    poll = ReadinessPoll("m_0", check, told.put)
    assert (
        told.get(timeout=TIMEOUT_S) == "is_ready() of instance 'm_0' takes longer than 0.01 seconds"
    )
    assert len(asked) == 1
    let_go.set()
    assert told.get(timeout=TIMEOUT_S) == ""
    poll.end()


def test_nothing_is_told_after_the_end() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def check() -> str:
        begun.set()
        let_go.wait(TIMEOUT_S)
        return "late"

    told: list[str] = []
    poll = ReadinessPoll("m_0", check, told.append)
    assert begun.wait(TIMEOUT_S)
    threading.Timer(0.01, let_go.set).start()
    poll.end()
    assert told == []


def test_a_version_is_ready_when_all_its_instances_are() -> None:
    told: list[str] = []
    lives = Lives(told.append)
    for _ in range(2):
        lives.begin()
    lives.says("m_0", "cold")
    lives.says("m_0", "cold")
    lives.says("m_1", "old")
    lives.says("m_0", "")
    lives.says("m_1", "")
    lives.says("m_1", "")
    assert told == ["cold", "cold", "old", ""]
    lives.end("m_0 has died")
    lives.end("m_1 has died")
    lives.says("m_0", "cold")
    assert told[4:] == ["m_1 has died", "m_1 has died"]
