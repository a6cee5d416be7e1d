# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Who makes room (--model-memory-budget)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from penstock.models.identity import ModelId
from penstock.models.residency import Resident, choose_evictions


def resident(name: str, size: int, used_at: float, **more: Any) -> Resident:
    return Resident(ModelId(name), size, used_at, **more)


def names(models: list[ModelId] | None) -> list[str] | None:
    return None if models is None else [model.name for model in models]


def test_nobody_goes_while_there_is_room() -> None:
    assert choose_evictions([resident("a", 5, 1), resident("b", 5, 2)], 10) == []
    assert choose_evictions([], 0) == []


def test_the_least_recently_used_go_first_and_no_more_than_needed() -> None:
    loaded = [resident("new", 5, 9), resident("old", 5, 1), resident("older", 1, 0.5)]
    assert names(choose_evictions(loaded, 10)) == ["older"]
    assert names(choose_evictions(loaded, 9)) == ["older", "old"]


def test_those_that_stay_stay() -> None:
    loaded = [resident("busy", 5, 1, stays=True), resident("b", 5, 2), resident("c", 5, 3)]
    assert names(choose_evictions(loaded, 10)) == ["b"]
    assert names(choose_evictions(loaded, 5)) == ["b", "c"]
    assert choose_evictions(loaded, 4) is None
    assert names(choose_evictions(loaded, 10, keep={ModelId("b")})) == ["c"]


def test_an_ensemble_goes_before_its_models() -> None:
    step = ModelId("step")
    loaded = [resident("step", 8, 1), resident("chain", 0, 2, needs=(step,)), resident("x", 2, 3)]
    assert names(choose_evictions(loaded, 5)) == ["chain", "step"]
    stays = [resident("step", 8, 1), resident("chain", 0, 2, stays=True, needs=(step,))]
    assert choose_evictions(stays, 5) is None


RESIDENTS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 9), st.booleans()), max_size=8
).map(
    lambda rows: [
        resident(f"m{i}", size, used, stays=stays) for i, (size, used, stays) in enumerate(rows)
    ]
)


@given(RESIDENTS, st.integers(0, 60))
def test_what_is_chosen_is_enough_and_fair(loaded: list[Resident], room: int) -> None:
    chosen = choose_evictions(loaded, room)
    staying = sum(one.size_bytes for one in loaded if one.stays)
    if chosen is None:
        assert staying > room
        return
    by_model = {one.model: one for one in loaded}
    gone = [by_model[model] for model in chosen]
    left = [one for one in loaded if one.model not in chosen]
    assert not any(one.stays for one in gone)
    assert sum(one.size_bytes for one in left) <= room
    assert all(one.used_at <= other.used_at for one in gone for other in left if not other.stays)
    if gone:  # the last one had to go
        assert sum(one.size_bytes for one in left) + gone[-1].size_bytes > room
