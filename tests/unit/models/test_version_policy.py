# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which versions a policy selects (contract 2.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock._proto.model_config_pb2 import ModelVersionPolicy
from penstock.config.model_config import parse_pbtxt
from penstock.models.version_policy import missing_versions, select_versions


def policy(text: str) -> ModelVersionPolicy:
    config = parse_pbtxt(f"version_policy {{ {text} }}", "config.pbtxt").config
    return config.version_policy


@pytest.mark.parametrize(
    ("text", "available", "selected"),
    [
        ("", [1, 3, 2], (3,)),
        ("latest { num_versions: 1 }", [1, 3, 2], (3,)),
        ("latest { num_versions: 2 }", [1, 10, 2], (2, 10)),
        ("latest { num_versions: 9 }", [1, 2], (1, 2)),
        ("latest { num_versions: 4294967295 }", [1, 2], (1, 2)),
        ("latest {}", [1, 2], ()),
        ("all {}", [3, 0, 2], (0, 2, 3)),
        ("specific { versions: [2, 5] }", [1, 2, 3], (2,)),
        ("specific { versions: [2, 2] }", [1, 2, 3], (2,)),
        ("specific {}", [1], ()),
        ("all {}", [], ()),
        ("", [], ()),
    ],
)
def test_selection(text: str, available: list[int], selected: tuple[int, ...]) -> None:
    assert select_versions(policy(text), available) == selected


def test_missing() -> None:
    assert missing_versions(policy("specific { versions: [9, 2, 5] }"), [1, 2]) == (5, 9)
    assert missing_versions(policy("all {}"), []) == ()


@given(st.lists(st.integers(0, 50)), st.integers(0, 60))
def test_the_latest_are_the_greatest(available: list[int], count: int) -> None:
    selected = select_versions(policy(f"latest {{ num_versions: {count} }}"), available)
    assert len(selected) == min(count, len(set(available)))
    rest = set(available) - set(selected)
    assert not selected or not rest or min(selected) > max(rest)
