# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What each instance needs to run (contract 2.5, 4.5, C-16)."""

from __future__ import annotations

import pytest
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.config.plan_limits import InstanceLimitData, make_limits


def limits(groups: str) -> tuple[InstanceLimitData, ...]:
    config = parse_pbtxt(f'name: "m" backend: "identity" {groups}', "config.pbtxt").config
    normalise(config)
    normalise_instance_groups(config)
    return make_limits(config)


def test_one_for_each_instance_that_takes_requests() -> None:
    made = limits(
        "instance_group { count: 2 rate_limiter { priority: 2 "
        "resources { name: 'R' count: 4 } resources { name: 'G' global: true count: 1 } } }"
        "instance_group { passive: true rate_limiter { resources { name: 'X' count: 1 } } }"
        "instance_group { kind: KIND_MODEL }"
    )
    first = InstanceLimitData((("R", 4, False), ("G", 1, True)), 2, 0)
    assert made == (first, first, InstanceLimitData((), 0, 0))


def test_instances_on_gpus_have_their_devices_resources() -> None:
    made = limits(
        "instance_group { kind: KIND_GPU gpus: [3, 1] count: 2 "
        "rate_limiter { resources { name: 'R' count: 1 } } }"
    )
    assert [one.device for one in made] == [3, 1, 3, 1]


def test_a_resource_that_is_named_twice() -> None:
    (made,) = limits(
        "instance_group { rate_limiter { resources { name: 'R' count: 4 } "
        "resources { name: 'R' count: 2 } } }"
    )
    assert made.resources == (("R", 2, False),)


@pytest.mark.parametrize(
    "group",
    [
        "",
        "instance_group { count: 3 }",
        "instance_group { rate_limiter {} }",
        "instance_group { rate_limiter { priority: 1 } }",
    ],
)
def test_models_without_needs_are_not_limited(group: str) -> None:
    assert limits(group) == ()
