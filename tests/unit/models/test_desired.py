# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is to be done, as tables (R-22 to R-25, R-2, X-64): nothing here touches a disk."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.models.desired import (
    Known,
    Served,
    Transition,
    decide,
    fits_as_before,
    plan_load,
    touched_versions,
)
from penstock.models.identity import ModelId
from penstock.models.repository import Look
from penstock.models.tree import Stamp, Tree

A, B = ModelId("a"), ModelId("b")


def config(text: str = "") -> ModelConfig:
    return text_format.Parse(f'name: "a" backend: "x" {text}', ModelConfig())


def tree(newest_ns: int = 0, **files: str) -> Tree:
    """v1_m="x" is the file 1/m with the content x."""
    names = {name.removeprefix("v").replace("_", "/"): text for name, text in files.items()}
    stamps = {name: Stamp(len(text), etag=text) for name, text in names.items()}
    folders = frozenset(name.partition("/")[0] for name in names if "/" in name)
    return Tree(stamps, folders, newest_ns=newest_ns)


ONE = tree(v1_m="x")
TWO = tree(v1_m="x", v2_m="y")
SERVED = Served(frozenset({1}), config(), ONE)
ALL = Transition(load=frozenset({1}), drop=frozenset({1}))


@pytest.mark.parametrize(
    ("wanted", "text", "now", "expected"),
    [
        ((1,), "", ONE, Transition(keep=frozenset({1}))),
        #
        ((1,), "instance_group { count: 2 }", ONE, Transition(frozenset({1}), update=True)),
        ((1, 2), "version_policy { all {} }", TWO, Transition(frozenset({1}), frozenset({2}))),
        ((2,), "", TWO, Transition(load=frozenset({2}), drop=frozenset({1}))),
        # anything else is loaded anew
        ((1,), "max_batch_size: 2", ONE, ALL),
        ((1,), "", tree(v1_m="z"), ALL),
        ((1,), "", tree(v1_m="x", labels="new"), ALL),
        ((1,), "", None, ALL),
        # configurations are judged by what they say
        ((1,), "", tree(v1_m="x", v9_m="not wanted"), Transition(keep=frozenset({1}))),
    ],
)
def test_the_least_that_has_to_be_done(
    wanted: tuple[int, ...], text: str, now: Tree | None, expected: Transition
) -> None:
    assert plan_load(SERVED, wanted, config(text), now) == expected


def test_without_anything_that_serves_all_is_loaded() -> None:
    assert plan_load(None, (1, 2), config(), TWO) == Transition(load=frozenset({1, 2}))
    from_request = Served(frozenset({1}), config(), None)
    assert plan_load(from_request, (1,), config(), ONE) == ALL


def test_what_a_request_overrides_is_loaded_in_any_case() -> None:
    assert plan_load(SERVED, (1,), config(), ONE, forced=True) == ALL
    resized = config("instance_group { count: 2 }")
    assert plan_load(SERVED, (1,), resized, ONE, forced=True).update


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (set(), set()),
        ({"config.pbtxt", "configs/x.pbtxt", "configs", "penstock-manifest.json"}, set()),
        ({"1/m", "2", "2/deep/file"}, {1, 2}),
        ({"1/m", "labels.txt"}, None),
        ({"warmup/x"}, None),
        ({"01/m"}, None),
    ],
)
def test_which_versions_a_change_concerns(paths: set[str], expected: set[int] | None) -> None:
    assert touched_versions(paths) == (None if expected is None else frozenset(expected))


# ---------------------------------------------------------------- ensembles

_INPUT = 'input { name: "i" data_type: TYPE_FP32 dims: 1 }'
_LABELS = 'output { name: "o" data_type: TYPE_FP32 dims: 1 label_filename: "names" }'


@pytest.mark.parametrize(
    ("version", "before", "after", "fits"),
    [
        (-1, {1: _INPUT}, {2: _INPUT}, True),
        (-1, {1: _INPUT}, {1: _INPUT, 2: "max_batch_size: 4"}, False),
        (1, {1: _INPUT}, {2: _INPUT}, False),
        (1, {1: _INPUT, 2: ""}, {1: _INPUT}, True),
        (-1, {1: _INPUT}, {1: _INPUT + "instance_group { count: 9 }"}, True),
        (-1, {1: _LABELS}, {1: _LABELS}, False),  # the file may say something else (S-50)
    ],
)
def test_what_an_ensemble_notices_of_a_model(
    version: int, before: dict[int, str], after: dict[int, str], fits: bool
) -> None:
    step = f'step {{ model_name: "m" model_version: {version} }} step {{ model_name: "n" }}'
    ensemble = config(f"ensemble_scheduling {{ {step} }}")
    old, new = ({k: config(v) for k, v in versions.items()} for versions in (before, after))
    assert fits_as_before(ensemble, "m", old, new) is fits


# ---------------------------------------------------------------- polls


def look(a: Tree | None = None, **more: object) -> Look:
    return Look({A: a} if a is not None else {}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "known", "loads", "unloads"),
    [
        # a new model is loaded once two looks find it the same
        (look(), look(ONE), {}, False, False),
        (look(ONE), look(ONE), {}, True, False),
        (look(ONE), look(TWO), {}, False, False),
        # and so is one that changed; one that did not is left alone
        (look(ONE), look(TWO), {A: Known(True, ONE, "r")}, False, False),
        (look(TWO), look(TWO), {A: Known(True, ONE, "r")}, True, False),
        (look(ONE), look(ONE), {A: Known(True, ONE, "r")}, False, False),
        # one that failed is tried again when its time comes
        (look(ONE), look(ONE), {A: Known(False, ONE)}, False, False),
        (look(ONE), look(ONE), {A: Known(False, ONE, retry=True)}, True, False),
        # deleted
        (look(ONE), look(), {A: Known(True, ONE, "r")}, False, True),
        # not deleted: its repository cannot be listed, it cannot be read
        (look(ONE), look(failed=frozenset({"r"})), {A: Known(True, ONE, "r")}, False, False),
        (look(ONE), look(failed=frozenset({"q"})), {A: Known(True, ONE, "r")}, False, True),
        (look(ONE), look(unreadable={A: "?"}), {A: Known(True, ONE, "r")}, False, False),
        # no longer unique
        (look(ONE), look(duplicates=frozenset({"a"})), {A: Known(True, ONE, "r")}, False, True),
    ],
)
def test_polls(
    before: Look, now: Look, known: dict[ModelId, Known], loads: bool, unloads: bool
) -> None:
    decision = decide(before, now, known)
    assert (A in decision.load, A in decision.unload) == (loads, unloads)


def test_a_rename_completes_a_model() -> None:
    """What was written before the last look, and is here only now, was renamed."""
    assert decide(look(), look(tree(5, v1_m="x")), {}, since_ns=6).load == {A}
    assert decide(look(), look(tree(6, v1_m="x")), {}, since_ns=6).load == frozenset()
    assert decide(look(), look(tree(5)), {}, since_ns=6).load == frozenset()  # an empty folder


@pytest.mark.parametrize(("lacks", "loads"), [("'1/m' is not there", False), ("", True)])
def test_a_manifest_decides_alone(lacks: str, loads: bool) -> None:
    decision = decide(look(), look(ONE), {}, complete=lambda tree: lacks)
    assert (A in decision.load) is loads
    assert decision.waiting == ({} if loads else {A: lacks})


def test_who_waits_says_why() -> None:
    (reason,) = decide(look(), look(ONE), {}).waiting.values()
    assert "still being written" in reason
