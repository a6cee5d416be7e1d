# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What collections look at."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from penstock.garbage import collect_all, set_aside


class Knot:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_collections_do_not_look_at_what_was_set_aside() -> None:
    garbage = weakref.ref(Knot())
    knot = Knot()
    alive = weakref.ref(knot)
    set_aside()
    assert garbage() is None, "what was garbage before is collected first"
    del knot
    gc.collect()
    assert alive() is not None


def test_all_can_be_collected_all_the_same() -> None:
    knot = Knot()
    alive = weakref.ref(knot)
    set_aside()
    del knot
    gc.collect()
    assert alive() is not None
    collect_all()
    assert alive() is None
    assert gc.get_freeze_count() > 0


def test_nothing_is_set_aside_by_a_collection() -> None:
    collect_all()
    assert gc.get_freeze_count() == 0
