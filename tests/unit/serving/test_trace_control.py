# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Trace settings: what shadows what, and what the engine is told (1.12, T-4, T-6, X-58)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock.config.trace_settings import TraceConfig
from penstock.errors import InvalidArgError, UnsupportedError
from penstock.serving.trace_control import TraceControl, TraceValues

ON = frozenset({"TIMESTAMPS"})
CONFIG = TraceConfig(file="/tmp/t")


class Told:
    """What the engine was told, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, TraceValues | None]] = []

    def __call__(self, model: str, values: TraceValues | None) -> None:
        self.calls.append((model, values))

    def take(self) -> list[tuple[str, TraceValues | None]]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def told() -> Told:
    return Told()


def control(told: Told, config: TraceConfig = CONFIG) -> TraceControl:
    return TraceControl(config, told, is_served=lambda name: name in ("a", "b"))


def test_the_start_is_applied(told: Told) -> None:
    control(told, replace(CONFIG, levels=ON, rate=5))
    assert told.take() == [("", TraceValues(ON, 5, -1, 0))]


def test_a_start_that_cannot_be_is_off(told: Told) -> None:
    control(told, TraceConfig(levels=ON))
    assert told.take() == [("", TraceValues(frozenset(), 1000, -1, 0))]


def test_the_server_reaches_what_models_leave_open(told: Told) -> None:
    made = control(told)
    made.update("a", {"trace_level": ["TIMESTAMPS"]})
    told.take()
    made.update("", {"trace_rate": ["7"]})
    assert told.take() == [
        ("", TraceValues(frozenset(), 7, -1, 0)),
        ("a", TraceValues(ON, 7, -1, 0)),
    ]


def test_a_model_that_clears_everything_inherits(told: Told) -> None:
    made = control(told)
    made.update("a", {"trace_level": ["TIMESTAMPS"], "trace_count": ["3"]})
    made.update("a", {"trace_level": None, "trace_count": []})
    assert told.take()[-1] == ("a", None)
    made.update("", {"trace_rate": ["2"]})
    assert [model for model, _ in told.take()] == [""]


def test_asking_changes_nothing(told: Told) -> None:
    made = control(told)
    told.take()
    assert made.update("", {}) == made.read("")
    assert told.take() == []


def test_unknown_levels_are_left_out(told: Told) -> None:
    made = control(told)
    assert made.update("", {"trace_level": ["LOUD"]})["trace_level"] == ["OFF"]
    assert made.update("", {"trace_level": ["MIN", "TENSORS"]})["trace_level"] == ["TENSORS"]


def test_nothing_is_changed_by_a_bad_change(told: Told) -> None:
    made = control(told)
    told.take()
    before = made.read("")
    with pytest.raises(InvalidArgError, match="sample rate must be non-zero"):
        made.update("", {"trace_level": ["TIMESTAMPS"], "trace_rate": ["0"]})
    with pytest.raises(UnsupportedError):
        made.update("", {"trace_rate": ["1"], "trace_file": ["/tmp/x"]})
    with pytest.raises(InvalidArgError, match="Request for unknown model : c"):
        made.update("c", {"trace_rate": ["1"]})
    assert made.read("") == before and told.take() == []


@pytest.mark.parametrize("text", ["9" * 5000, "4294967296", "-1"])
def test_numbers_out_of_range(told: Told, text: str) -> None:
    with pytest.raises(InvalidArgError, match=r"out of range \[ 0, 4294967295 \], got: "):
        control(told).update("", {"trace_rate": [text]})


@pytest.mark.parametrize("text", ["", "x", "1.5", "0x10", "--1", "\u0661"])
def test_no_numbers(told: Told, text: str) -> None:
    with pytest.raises(InvalidArgError, match="Unable to parse 'trace_rate', got: "):
        control(told).update("", {"trace_rate": [text]})
