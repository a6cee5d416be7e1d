# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Server-side defaults (contract R-12, C-10 to C-12)."""

from __future__ import annotations

import pytest
from penstock._proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups


def normalised(text: str) -> ModelConfig:
    config = parse_pbtxt(text, "config.pbtxt").config
    normalise(config)
    normalise_instance_groups(config)
    again = ModelConfig()
    again.CopyFrom(config)
    normalise(again)
    normalise_instance_groups(again)
    assert again == config
    return config


def test_version_policy_is_the_latest_one() -> None:
    assert normalised("").version_policy.latest.num_versions == 1
    assert normalised("version_policy { all {} }").version_policy.HasField("all")
    assert normalised("version_policy { latest {} }").version_policy.latest.num_versions == 0


def test_preferred_sizes() -> None:
    def sizes(text: str) -> list[int]:
        return list(normalised(text).dynamic_batching.preferred_batch_size)

    assert sizes("max_batch_size: 8 dynamic_batching {}") == [8]
    assert sizes("max_batch_size: 8 dynamic_batching { preferred_batch_size: 4 }") == [4]
    assert sizes("dynamic_batching {}") == []
    assert not normalised("max_batch_size: 8").HasField("dynamic_batching")


def test_sequence_defaults() -> None:
    batching = normalised("sequence_batching {}").sequence_batching
    assert batching.max_sequence_idle_microseconds == 1_000_000
    assert batching.WhichOneof("strategy_choice") == "direct"
    oldest = normalised("max_batch_size: 2 sequence_batching { oldest {} }").sequence_batching
    assert list(oldest.oldest.preferred_batch_size) == [2]


def test_pinned_memory() -> None:
    config = normalised("optimization { output_pinned_memory { enable: false } }")
    assert config.optimization.input_pinned_memory.enable
    assert not config.optimization.output_pinned_memory.enable
    assert not normalised('platform: "ensemble"').HasField("optimization")


@pytest.mark.parametrize(
    ("backend", "kind", "count"),
    [
        ("onnxruntime", "KIND_AUTO", 2),
        ("onnxruntime", "KIND_CPU", 2),
        ("onnxruntime", "KIND_MODEL", 1),
        ("tensorflow", "KIND_CPU", 2),
        ("python", "KIND_CPU", 1),
    ],
)
def test_default_counts(backend: str, kind: str, count: int) -> None:
    config = normalised(f'backend: "{backend}" instance_group {{ kind: {kind} }}')
    assert config.instance_group[0].count == count


def test_the_default_group_is_called_as_its_model() -> None:
    group = normalised('name: "m" backend: "python"').instance_group
    assert [(g.name, g.kind, g.count) for g in group] == [("m", ModelInstanceGroup.KIND_CPU, 1)]


def test_groups_are_numbered() -> None:
    groups = normalised('name: "m" instance_group {} instance_group { name: "x" count: 3 }')
    assert [(g.name, g.count) for g in groups.instance_group] == [("m_0", 1), ("x", 3)]


def test_ensembles_have_no_instances() -> None:
    assert not normalised('platform: "ensemble"').instance_group


def test_the_back_end_follows_from_the_platform() -> None:
    assert normalised('platform: "onnxruntime_onnx"').backend == "onnxruntime"
