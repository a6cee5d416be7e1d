# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Instance groups on a machine with GPUs: defaults and validation (C-10 to C-13, 12.5)."""

from __future__ import annotations

import pytest
from penstock._proto.model_config_pb2 import ModelInstanceGroup
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.config.validation import validate_instance_groups
from penstock.devices.gpus import Gpu, Gpus
from penstock.errors import InvalidArgError

#: two of them may be used
MACHINE = Gpus(
    (
        Gpu(0, "A", "GPU-0", 1 << 30, (7, 5)),
        Gpu(1, "B", "GPU-1", 1 << 30, (3, 7)),
        Gpu(2, "C", "GPU-2", 1 << 30, (9, 0)),
    ),
    min_compute_capability=6.0,
)
OLD = Gpus(MACHINE.found[1:2], min_compute_capability=6.0)


def group(text: str, gpus: Gpus = MACHINE, *, prefers: bool = True) -> ModelInstanceGroup:
    """The first group of a model, as it is served. Raises InvalidArgError."""
    config = parse_pbtxt(f'name: "m" backend: "tensorrt" {text}', "config.pbtxt").config
    for _ in range(2):  # twice changes nothing more
        normalise(config)
        normalise_instance_groups(config, gpus, prefers_gpus=prefers)
    validate_instance_groups(config, gpus)
    return config.instance_group[0]


def refused(text: str, gpus: Gpus = MACHINE) -> str:
    with pytest.raises(InvalidArgError) as caught:
        group(f"instance_group {{ {text} }}", gpus)
    return caught.value.message.removeprefix("instance group m_0 of model m ")


@pytest.mark.parametrize(
    ("text", "gpus", "prefers", "kind", "ids"),
    [
        ("", MACHINE, True, "KIND_GPU", [0, 2]),
        ("", MACHINE, False, "KIND_CPU", []),
        ("", OLD, True, "KIND_CPU", []),
        ("instance_group {}", MACHINE, True, "KIND_GPU", [0, 2]),
        ("instance_group { kind: KIND_CPU }", MACHINE, True, "KIND_CPU", []),
        ("instance_group { kind: KIND_MODEL }", MACHINE, True, "KIND_MODEL", []),
        ("instance_group { kind: KIND_GPU }", MACHINE, False, "KIND_GPU", [0, 2]),
        ("instance_group { kind: KIND_GPU gpus: 2 }", MACHINE, False, "KIND_GPU", [2]),
        ("instance_group { gpus: [2, 0] }", MACHINE, False, "KIND_GPU", [2, 0]),
    ],
)
def test_kinds(text: str, gpus: Gpus, prefers: bool, kind: str, ids: list[int]) -> None:
    made = group(text, gpus, prefers=prefers)
    assert ModelInstanceGroup.Kind.Name(made.kind) == kind
    assert [*made.gpus] == ids
    assert made.count == 1


def test_no_usable_gpu_says_what_was_found() -> None:
    assert refused("kind: KIND_GPU", OLD) == (
        "has kind KIND_GPU but no GPUs are available: compute capability 6.0 is needed, found are: "
        "1 (B, compute capability 3.7)"
    )


@pytest.mark.parametrize("gpu", [1, 3, -1])
def test_a_gpu_that_cannot_be_used(gpu: int) -> None:
    assert refused(f"kind: KIND_GPU gpus: [0, {gpu}]") == (
        f"specifies invalid or unsupported gpu id {gpu}. GPUs with at least the minimum required "
        "CUDA compute compatibility of 6.000000 are: 0 (A, compute capability 7.5), "
        "2 (C, compute capability 9.0)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpus: [0, 1]", "has kind KIND_CPU but specifies one or more GPUs"),
        ("gpus: [0, 0]", "specifies a GPU more than once: [0, 0]"),
        (
            "secondary_devices { device_id: 0 } secondary_devices { device_id: 1 }",
            "specifies 2 secondary_devices, at most one is supported",
        ),
        (
            "secondary_devices { device_id: -1 }",
            "specifies a secondary device with the negative id -1",
        ),
        (
            "kind: KIND_CPU secondary_devices {}",
            "specifies secondary_devices, which are only supported for TensorRT models of kind "
            "KIND_GPU",
        ),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    assert refused(text) == message


def test_a_gpu_was_wanted_but_none_listed() -> None:
    """As a group that nobody has normalised with the machine's GPUs (12.5)."""
    config = parse_pbtxt('name: "m" instance_group { kind: KIND_GPU }', "config.pbtxt").config
    normalise_instance_groups(config)
    with pytest.raises(InvalidArgError) as caught:
        validate_instance_groups(config, MACHINE)
    assert caught.value.message == (
        "instance group m_0 of model m has kind KIND_GPU but specifies no GPUs"
    )


def test_instances_are_counted_on_every_gpu() -> None:
    with pytest.raises(InvalidArgError, match="has 1026 instances"):
        group("instance_group { count: 513 }")
