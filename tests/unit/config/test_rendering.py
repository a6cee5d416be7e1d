# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Configurations and metadata as JSON (contract 1.3, 1.4, 2.12, X-17)."""

from __future__ import annotations

import json

from google.protobuf import json_format
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.model_config import parse_pbtxt
from penstock.config.rendering import config_to_json, model_metadata

TEXT = """
name: "m" platform: "onnxruntime_onnx" backend: "onnxruntime" max_batch_size: 8
version_policy { specific { versions: [1, 2] } }
input { name: "i" data_type: TYPE_FP32 dims: [3, -1] reshape { shape: [-1, 3] } }
output { name: "o" data_type: TYPE_STRING dims: 1 }
instance_group { secondary_devices { device_id: 5 } }
optimization { cuda { graph_spec { input { key: "i" value { dim: 7 } } } } }
dynamic_batching {
  max_queue_delay_microseconds: 100 priority_levels: 2 default_priority_level: 1
  default_queue_policy { default_timeout_microseconds: 11 }
  priority_queue_policy { key: 2 value { default_timeout_microseconds: 12 } }
}
parameters { key: "k" value { string_value: "9" } }
model_warmup { inputs { key: "i" value { dims: [4] data_type: TYPE_FP32 } } }
"""


def config(text: str = TEXT) -> ModelConfig:
    return parse_pbtxt(text, "config.pbtxt").config


def test_64_bit_numbers_are_numbers() -> None:
    rendered = config_to_json(config())
    assert rendered["input"][0]["dims"] == [3, -1]
    assert rendered["input"][0]["reshape"]["shape"] == [-1, 3]
    assert rendered["version_policy"]["specific"]["versions"] == [1, 2]
    batching = rendered["dynamic_batching"]
    assert batching["max_queue_delay_microseconds"] == 100
    assert (batching["priority_levels"], batching["default_priority_level"]) == (2, 1)
    assert batching["default_queue_policy"]["default_timeout_microseconds"] == 11
    assert batching["priority_queue_policy"]["2"]["default_timeout_microseconds"] == 12
    assert rendered["model_warmup"][0]["inputs"]["i"]["dims"] == [4]


def test_sequences_and_ensembles() -> None:
    sequence = config_to_json(
        config(
            "sequence_batching { max_sequence_idle_microseconds: 5 oldest { "
            "max_queue_delay_microseconds: 6 } state { dims: [-1] initial_state { dims: [1] } } }"
        )
    )["sequence_batching"]
    assert sequence["max_sequence_idle_microseconds"] == 5
    assert sequence["oldest"]["max_queue_delay_microseconds"] == 6
    assert sequence["state"][0]["dims"] == [-1]
    assert sequence["state"][0]["initial_state"][0]["dims"] == ["1"]  # stays a string
    ensemble = config_to_json(config("ensemble_scheduling { step { model_version: -1 } }"))
    assert ensemble["ensemble_scheduling"]["step"][0]["model_version"] == -1


def test_exceptions_stay_strings() -> None:
    rendered = config_to_json(config())
    assert rendered["instance_group"][0]["secondary_devices"][0]["device_id"] == "5"
    spec = rendered["optimization"]["cuda"]["graph_spec"][0]
    assert spec["input"]["i"]["dim"] == ["7"]


def test_defaults_are_printed_and_enums_are_names() -> None:
    rendered = config_to_json(config('name: "m" input { name: "i" data_type: TYPE_FP32 }'))
    assert rendered["max_batch_size"] == 0
    assert rendered["output"] == []
    assert rendered["parameters"] == {}
    first = rendered["input"][0]
    assert (first["data_type"], first["format"]) == ("TYPE_FP32", "FORMAT_NONE")
    assert first["optional"] is False and first["dims"] == []
    assert "version_policy" not in rendered  # a message that is not set


def test_it_reads_back_as_the_same_configuration() -> None:
    text = json.dumps(config_to_json(config()))
    assert json_format.Parse(text, ModelConfig()) == config()


def test_metadata() -> None:
    assert model_metadata(config(), [10, 2]) == {
        "name": "m",
        "versions": ["2", "10"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "i", "datatype": "FP32", "shape": [-1, 3, -1]}],
        "outputs": [{"name": "o", "datatype": "BYTES", "shape": [-1, 1]}],
    }


def test_metadata_without_batching_and_platform() -> None:
    text = 'name: "m" backend: "python" input { name: "i" data_type: TYPE_BF16 dims: 2 }'
    metadata = model_metadata(config(text), [1])
    assert metadata["platform"] == "python"
    assert metadata["inputs"] == [{"name": "i", "datatype": "BF16", "shape": [2]}]
