# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Plans, instances and labels from final configurations (C-6, C-11, C-12)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.config.plan import (
    InstanceData,
    PlanSpec,
    QueuePolicyData,
    make_instances,
    make_plan_spec,
)
from penstock.errors import InvalidArgError, UnsupportedError
from penstock.types import DataType

BASE = 'name: "m" backend: "python" '


def final(text: str) -> ModelConfig:
    config = parse_pbtxt(BASE + text, "config.pbtxt").config
    normalise(config)
    normalise_instance_groups(config)
    return config


def plan(text: str, model_dir: Path = Path("."), **kwargs: int) -> PlanSpec:
    return make_plan_spec(final(text), 3, model_dir, **kwargs)


def test_tensors() -> None:
    spec = plan(
        'input { name: "a" data_type: TYPE_FP32 dims: [2, -1] optional: true '
        "allow_ragged_batch: true } "
        'input { name: "s" data_type: TYPE_STRING dims: 1 reshape {} } '
        'output { name: "o" data_type: TYPE_BF16 dims: 4 reshape { shape: [2, 2] } }'
    )
    assert (spec.name, spec.version, spec.max_batch_size) == ("m", 3, 0)
    first, second = spec.inputs
    assert (first.name, first.data_type, first.dims) == ("a", DataType.FP32, (2, -1))
    assert first.reshape is None and first.optional and first.allow_ragged_batch
    assert (second.data_type, second.reshape) == (DataType.BYTES, ())
    assert (spec.outputs[0].data_type, spec.outputs[0].reshape) == (DataType.BF16, (2, 2))


def test_dynamic_batching() -> None:
    spec = plan(
        "max_batch_size: 8 dynamic_batching { preferred_batch_size: [8, 4, 4] "
        "max_queue_delay_microseconds: 100 preserve_ordering: true default_queue_policy { "
        "timeout_action: REJECT default_timeout_microseconds: 5 allow_timeout_override: true "
        "max_queue_size: 7 } }",
        queue_capacity=99,
    )
    assert spec.dynamic_batching and spec.preserve_ordering
    assert spec.preferred_batch_sizes == (4, 8)
    assert (spec.max_queue_delay_us, spec.queue_capacity) == (100, 99)
    assert spec.queue_policy == QueuePolicyData(
        default_timeout_us=5, allow_timeout_override=True, max_queue_size=7
    )
    assert spec.level_policies == ()


def test_no_batching() -> None:
    spec = plan("")
    assert not spec.dynamic_batching
    assert (spec.preferred_batch_sizes, spec.queue_capacity, spec.instance_count) == ((), 4096, 1)


def test_priority_levels_have_their_own_policy_or_the_default() -> None:  # S-1, S-7
    spec = plan(
        "dynamic_batching { priority_levels: 3 default_priority_level: 2 "
        "default_queue_policy { max_queue_size: 9 } priority_queue_policy { "
        "key: 1 value { timeout_action: DELAY max_queue_size: 2 } } }"
    )
    default = QueuePolicyData(max_queue_size=9)
    assert spec.level_policies == (
        QueuePolicyData(timeout_delay=True, max_queue_size=2),
        default,
        default,
    )
    assert spec.default_priority_level == 2


def test_waits_fit_nanoseconds_of_64_bits() -> None:
    spec = plan(f"dynamic_batching {{ max_queue_delay_microseconds: {2**64 - 1} }}")
    assert 0 < spec.max_queue_delay_us * 1000 < 2**62


def test_decoupled() -> None:
    assert plan("model_transaction_policy { decoupled: true }").decoupled


def test_instances() -> None:
    config = final(
        'instance_group { count: 2 } instance_group { passive: true } instance_group { name: "g" '
        "kind: KIND_MODEL }"
    )
    assert make_instances(config) == [
        InstanceData("m_0_0", 0, "CPU"),
        InstanceData("m_0_1", 1, "CPU"),
        InstanceData("m_1_0", -1, "CPU", passive=True),
        InstanceData("g_0", 2, "MODEL", host_policy="model"),
    ]
    assert make_plan_spec(config, 1, Path(".")).instance_count == 3


def test_instances_on_gpus() -> None:
    config = final(
        'instance_group { name: "g" kind: KIND_GPU gpus: [3, 1] count: 2 profile: "1" '
        "secondary_devices { device_id: 1 } } "
        'instance_group { name: "mine" host_policy: "near" }'
    )
    on_gpu: dict[str, Any] = {"kind": "GPU", "profiles": ("1",), "dla_core": 1}
    assert make_instances(config) == [
        InstanceData("g_0", 0, device_id=3, host_policy="gpu_3", **on_gpu),
        InstanceData("g_1", 1, device_id=1, host_policy="gpu_1", **on_gpu),
        InstanceData("g_2", 2, device_id=3, host_policy="gpu_3", **on_gpu),
        InstanceData("g_3", 3, device_id=1, host_policy="gpu_1", **on_gpu),
        InstanceData("mine_0", 4, "CPU", host_policy="near"),
    ]
    assert make_plan_spec(config, 1, Path(".")).instance_count == 5


def test_what_cannot_be_served_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError) as caught:
        plan("model_repository_agents { agents {} }")
    assert caught.value.message == (
        "model 'm' cannot be served: 'model_repository_agents' is not supported"
    )


def test_priority_levels_are_bounded() -> None:
    with pytest.raises(UnsupportedError, match="'dynamic_batching.priority_levels' is 1025"):
        plan("dynamic_batching { priority_levels: 1025 }")


def test_response_cache_and_warm_up() -> None:
    assert not plan("").cached
    assert not plan("response_cache { enable: 0 }").cached
    assert plan("response_cache { enable: 1 }").cached
    assert not plan("model_warmup { count: 2 }").warm_up  # a batch size of 0 skips
    assert plan("model_warmup {} model_warmup { batch_size: 1 }").warm_up


# ---------------------------------------------------------------- labels (C-6)


def labels(model_dir: Path, name: str) -> tuple[str, ...]:
    text = f'output {{ name: "o" data_type: TYPE_FP32 dims: 1 label_filename: "{name}" }}'
    return plan(text, model_dir).outputs[0].labels


def test_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes("eins\nzwei\r\n\nfünf\n".encode())
    assert labels(tmp_path, "labels.txt") == ("eins", "zwei", "", "fünf")
    (tmp_path / "labels.txt").write_bytes(b"a\nb")
    assert labels(tmp_path, "./labels.txt") == ("a", "b")
    (tmp_path / "labels.txt").write_bytes(b"")
    assert labels(tmp_path, "labels.txt") == ()


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "a/../../outside.txt", "link"])
def test_labels_stay_in_the_model_directory(tmp_path: Path, name: str) -> None:
    model_dir = tmp_path / "m"
    model_dir.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (model_dir / "link").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(InvalidArgError) as caught:
        labels(model_dir, name)
    assert caught.value.message == (
        f"label file path '{name}' for output 'o' in model 'm' is outside model directory"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.txt", "No such file or directory"),
        (".", "Is a directory"),
        ("bad.txt", "not UTF-8 text at byte 1"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_unreadable_labels(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "bad.txt").write_bytes(b"a\xff")
    with pytest.raises(InvalidArgError, match="^failed to read label file") as caught:
        labels(tmp_path, name)
    assert reason in caught.value.message
