# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The cores of host policies (C-14)."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.devices.host_policy import Cores, parse_cores, resolve_host_policies
from penstock.errors import InvalidArgError

AVAILABLE = frozenset(range(8))


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """Two nodes of four cores, and one that has memory alone."""
    for node, cores in enumerate(("0-3", "4-7", "")):
        (tmp_path / f"node{node}").mkdir()
        (tmp_path / f"node{node}" / "cpulist").write_text(f"{cores}\n")
    return tmp_path


def resolve(nodes: Path, *settings: tuple[str, str, str]) -> dict[str, Cores]:
    return dict(resolve_host_policies(settings, available=AVAILABLE, nodes=nodes))


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0-0", (0,)), ("3", (3,)), ("0-2,7", (0, 1, 2, 7)), ("4-5,0-1,5-6", (0, 1, 4, 5, 6))],
)
def test_lists_of_cores(text: str, cores: Cores) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "0-1-2", "0,,1", "2-1", "0-70000", "٣", "0x1"]
)
def test_what_is_no_list_of_cores(text: str) -> None:
    with pytest.raises(ValueError, match="is not a list of cores"):
        parse_cores(text)


def test_cores_nodes_and_both(nodes: Path) -> None:
    assert resolve(nodes) == {}
    assert resolve(
        nodes,
        ("cpu", "cpu-cores", "0-1"),
        ("gpu_0", "numa-node", "1"),
        ("mine", "numa-node", "1"),
        ("mine", "cpu-cores", "3-5"),
    ) == {"cpu": (0, 1), "gpu_0": (4, 5, 6, 7), "mine": (4, 5)}


def test_a_later_setting_wins(nodes: Path) -> None:
    assert resolve(nodes, ("cpu", "cpu-cores", "0-1"), ("cpu", "cpu-cores", "2")) == {"cpu": (2,)}


def test_the_process_may_have_a_part_of_a_node_only(nodes: Path) -> None:
    settings = [("cpu", "numa-node", "0")]
    found = resolve_host_policies(settings, available=frozenset({2, 9}), nodes=nodes)
    assert found == {"cpu": (2,)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            [("p", "cpu-cores", "6-9")],
            "host policy 'p' has cpu-cores=6-9, but this process cannot run on 8-9; it can run on "
            "0-7",
        ),
        (
            [("p", "numa-node", "3")],
            "host policy 'p' has numa-node=3, which does not exist; the machine has NUMA nodes 0-2",
        ),
        (
            [("p", "numa-node", "2")],
            "host policy 'p' (numa-node=2) leaves no core of those that this process can run on: "
            "0-7",
        ),
        (
            [("p", "numa-node", "0"), ("p", "cpu-cores", "4,6")],
            "host policy 'p' (numa-node=0, cpu-cores=4,6) leaves no core of those that this "
            "process can run on: 0-7",
        ),
    ],
)
def test_what_the_machine_has_not(
    nodes: Path, settings: list[tuple[str, str, str]], message: str
) -> None:
    with pytest.raises(InvalidArgError) as caught:
        resolve(nodes, *settings)
    assert caught.value.message == message


def test_the_machine_of_the_test() -> None:
    assert resolve_host_policies([("cpu", "numa-node", "0")])["cpu"]
