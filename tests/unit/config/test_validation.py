# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is wrong with a configuration, in the contract's words (2 and 12.5)."""

from __future__ import annotations

import logging

import pytest
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.config.validation import (
    validate_config,
    validate_config_version,
    validate_directory_name,
    validate_instance_groups,
    validate_io,
)
from penstock.config.validation_io import validate_allowed
from penstock.errors import Code, InvalidArgError

BASE = 'name: "m" backend: "python" '
IO = 'input { name: "i" data_type: TYPE_FP32 dims: 4 } '


def validate(text: str) -> None:
    config = parse_pbtxt(text, "config.pbtxt").config
    normalise(config)
    validate_config(config)
    normalise_instance_groups(config)
    validate_io(config)
    validate_instance_groups(config)


def io(text: str, kind: str = "input") -> str:
    return f'{BASE} max_batch_size: 8 {kind} {{ name: "t" {text} }}'


TOP = [
    ('backend: "python"', "model configuration must specify 'name'"),
    ('name: "m"', "must specify 'platform' or 'backend' for 'm'"),
    ('name: "m" platform: "x"', "unexpected platform type 'x' for m"),
    (
        'name: "m" platform: "onnxruntime_onnx" backend: "python"',
        "unexpected 'platform' and 'backend' pair, got:onnxruntime_onnx, python",
    ),
    (
        'name: "m" platform: "mine" backend: "onnxruntime"',
        "unexpected 'platform' and 'backend' pair, got:mine, onnxruntime",
    ),
    (BASE + "max_batch_size: -1", "'max_batch_size' must be non-negative value for m"),
    (
        BASE + 'default_model_filename: "../../etc/passwd"',
        "'default_model_filename' must be a path inside the model directory for m, got "
        "'../../etc/passwd'",
    ),
    (
        BASE + 'cc_model_filenames { key: "7.0" value: "/x" }',
        "'cc_model_filenames' must be a path inside the model directory for m, got '/x'",
    ),
    (
        BASE + "response_cache { enable: true } sequence_batching {}",
        "Response Cache does not currently support model m with sequence batching scheduler. "
        "Please disable the response cache.",
    ),
    (
        BASE + "response_cache { enable: true } model_transaction_policy { decoupled: true }",
        "Response Cache does not currently support model m with 'decoupled' transaction policy. "
        "Please disable the response cache.",
    ),
    (  # 2.10
        BASE + 'model_warmup { inputs { key: "i" value { dims: [2, -1] zero_data: true } } }',
        "warmup setting expects all variable-size dimensions are specified for input 'i'",
    ),
    (
        BASE + 'model_warmup { inputs { key: "i" value { dims: [2] } } }',
        "warmup setting expects input 'i' to have input_data_type set",
    ),
    (
        BASE + 'model_warmup { inputs { key: "i" value { input_data_file: "../x" } } }',
        "'input_data_file' must be a path inside the warmup directory for m, got '../x'",
    ),
    (
        BASE + "model_metrics { metric_control {} }",
        "metric control must specify 'metric_identifier'",
    ),
    (
        BASE + "model_metrics { metric_control { metric_identifier {} } }",
        "metric identifier must specify non-empty 'family'",
    ),
    (
        BASE + 'model_metrics { metric_control { metric_identifier { family: "f" } } }',
        "metric control must specify 'histogram_options'",
    ),
    (
        BASE + 'model_metrics { metric_control { metric_identifier { family: "f" } '
        "histogram_options {} } }",
        "histogram options must specify non-empty 'buckets'",
    ),
]

DYNAMIC = [  # 2.6, 12.5
    ("preferred_batch_size: 0", "dynamic batching preferred size must be positive for m"),
    ("preferred_batch_size: -2", "dynamic batching preferred size must be positive for m"),
    (
        "preferred_batch_size: [2, 9]",
        "dynamic batching preferred size must be <= max batch size for m",
    ),
    ("priority_levels: 3", "default priority level must be in range [1, 3] for m"),
    (
        "priority_levels: 3 default_priority_level: 4",
        "default priority level must be in range [1, 3] for m",
    ),
    (
        "priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 3 value {} }",
        "priority queue policy must have priority level in range [1, 2] for m",
    ),
    (
        "priority_queue_policy { key: 1 value {} }",
        "priority queue policy must have priority level in range [1, 0] for m",
    ),
    (
        "preserve_ordering: true priority_levels: 2 default_priority_level: 1",
        "Only one priority level is allowed when 'preserve_ordering' is true for m",
    ),
    (
        "preserve_ordering: true default_queue_policy { timeout_action: DELAY }",
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
    ),
    (
        "preserve_ordering: true priority_levels: 1 default_priority_level: 1 "
        "priority_queue_policy { key: 1 value { timeout_action: DELAY } }",
        "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
    ),
]

RESHAPES = [
    ("dims: [4] reshape { shape: [5] }", "has different size for dims and reshape"),
    (
        "dims: [4, -1] reshape { shape: [4] }",
        "has different number of variable-size dimensions for dims and reshape",
    ),
    ("dims: [2, -1, 3] reshape { shape: [3, -1, 2] }", "has different size for dims and reshape"),
    (
        "dims: [4] reshape { shape: [0] }",
        "reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension",
    ),
]

TENSORS = [
    ("dims: 1", "must specify 'data_type'"),
    ("data_type: TYPE_INVALID dims: 1", "must specify 'data_type'"),
    ("data_type: TYPE_FP32", "must specify 'dims'"),
    (
        "data_type: TYPE_FP32 dims: 0",
        "dimension must be integer >= 1, or -1 to indicate a variable-size dimension",
    ),
    (
        "data_type: TYPE_FP32 dims: [2, -2]",
        "dimension must be integer >= 1, or -1 to indicate a variable-size dimension",
    ),
    (
        "data_type: TYPE_FP32 dims: [4294967296, 4294967296]",
        "total element count exceeds maximum size of 9223372036854775807",
    ),
    (
        "data_type: TYPE_FP32 dims: 1 is_shape_tensor: true",
        "shape tensors are only supported for TensorRT platform",
    ),
    (
        "data_type: TYPE_FP32 dims: 1 is_non_linear_format_io: true",
        "Non-linear IO format is only supported for the TensorRT platform",
    ),
    *((f"data_type: TYPE_FP32 {text}", message) for text, message in RESHAPES),
]

BATCH_IO = [
    (
        "batch_input { kind: 6 source_input: ['i'] data_type: TYPE_INT32 }",
        "unknown batch input kind 6",
    ),
    ("batch_output { kind: 1 source_input: ['i'] }", "unknown batch output kind 1"),
    (
        "batch_input { target_name: 'x' data_type: TYPE_FP32 }",
        "batch input kind 'BATCH_ELEMENT_COUNT' expects 1 source input, got 0",
    ),
    (
        "batch_input { source_input: ['i'] data_type: TYPE_INT64 }",
        "batch input data type must be TYPE_INT32 or TYPE_FP32",
    ),
    (
        "batch_input { source_input: ['j'] data_type: TYPE_INT32 }",
        "unknown source input name 'j'",
    ),
    (
        "batch_output { source_input: ['i', 'i'] }",
        "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got 2",
    ),
    (
        "batch_output { source_input: 'i' target_name: 'o' }",
        "unknown target output name 'o'",
    ),
    (
        "output { name: 'o' data_type: TYPE_FP32 dims: 1 } "
        "batch_output { source_input: 'i' target_name: ['o', 'o'] }",
        "target output name 'o' can only be specified once",
    ),
]

GROUPS = [
    (
        "kind: KIND_CPU gpus: 0",
        "instance group m_0 of model m has kind KIND_CPU but specifies one or more GPUs",
    ),
    (
        "kind: KIND_MODEL gpus: [0, 1]",
        "instance group m_0 of model m has kind KIND_MODEL but specifies one or more GPUs",
    ),
    (
        "kind: KIND_GPU",
        "instance group m_0 of model m has kind KIND_GPU but no GPUs are available: none was found",
    ),
    (
        "gpus: 0",  # KIND_AUTO without that GPU is KIND_CPU (C-10)
        "instance group m_0 of model m has kind KIND_CPU but specifies one or more GPUs",
    ),
    (
        "kind: KIND_GPU gpus: 0",
        "instance group m_0 of model m specifies invalid or unsupported gpu id 0. GPUs with at "
        "least the minimum required CUDA compute compatibility of 0.000000 are: none: none was "
        "found",
    ),
    (
        "secondary_devices {}",
        "instance group m_0 of model m specifies secondary_devices, which are only supported for "
        "TensorRT models of kind KIND_GPU",
    ),
    (
        "name: 'g' profile: '0'",
        "instance group g of model m and platform specifies profile field which is only supported "
        "for TensorRT models",
    ),
    (
        "count: 1025",
        "model m has 1025 instances that take requests, the number must be in range [1, 1024]",
    ),
    (
        "passive: true",
        "model m has 0 instances that take requests, the number must be in range [1, 1024]",
    ),
]

CASES = [
    *TOP,
    *((f"{BASE} max_batch_size: 8 dynamic_batching {{ {text} }}", why) for text, why in DYNAMIC),
    *((io(text), f"model input 't' {why}") for text, why in TENSORS),
    *((io(text, "output"), f"model output 't' {why}") for text, why in TENSORS),
    (BASE + "input { data_type: TYPE_FP32 dims: 1 }", "model input must specify 'name'"),
    (BASE + "output { data_type: TYPE_FP32 dims: 1 }", "model output must specify 'name'"),
    (
        BASE + 'input { name: "t" data_type: TYPE_FP32 dims: 1 reshape {} }',  # C-1
        "model input 't' cannot have empty reshape for non-batching model as scalar tensors are "
        "not supported",
    ),
    (
        io("data_type: TYPE_FP32 dims: [1, 2] format: FORMAT_NHWC"),
        "model input NHWC/NCHW require 3 dims",
    ),
    (BASE + IO + IO, "model input 'i' is specified more than once for m"),
    *((f"{BASE} {IO} {text}", why) for text, why in BATCH_IO),
    *((f"{BASE} instance_group {{ {text} }}", why) for text, why in GROUPS),
]


@pytest.mark.parametrize(("text", "message"), CASES, ids=[f"{i}" for i in range(len(CASES))])
def test_errors(text: str, message: str) -> None:
    with pytest.raises(InvalidArgError) as caught:
        validate(text)
    assert caught.value.message == message
    assert caught.value.code is Code.INVALID_ARG


GOOD = [
    BASE,
    'name: "m" platform: "onnxruntime_onnx"',
    'name: "m" platform: "libtorch" backend: "pytorch"',
    'name: "m" platform: "mine" backend: "my_backend"',
    BASE + "max_batch_size: 8 dynamic_batching {}",
    BASE + "dynamic_batching {}",
    BASE + "max_batch_size: 8 dynamic_batching { preferred_batch_size: [1, 8] priority_levels: 2 "
    "default_priority_level: 2 priority_queue_policy { key: 1 value {} } }",
    io("data_type: TYPE_FP32 dims: [1] reshape {}"),  # C-1: a scalar
    io("data_type: TYPE_FP32 dims: [4, 2, -1, 6] reshape { shape: [8, -1, 2, 3] }"),
    io("data_type: TYPE_STRING dims: [-1, 3, 4] format: FORMAT_NCHW"),
    BASE + "instance_group { kind: KIND_AUTO } instance_group { passive: true }",
    f"{BASE} {IO} batch_input {{ source_input: 'i' data_type: TYPE_INT32 }}",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_configurations(text: str) -> None:
    validate(text)


def test_tensorrt_has_shape_tensors_and_profiles() -> None:
    base = 'name: "m" backend: "tensorrt" '
    validate(base + "input { name: 't' data_type: TYPE_INT32 dims: 1 is_shape_tensor: true }")
    validate(base + "instance_group { profile: '0' }")
    bad = base + "instance_group { profile: 'x' }"
    with pytest.raises(InvalidArgError, match="specifies invalid profile x. The field should"):
        validate(bad)


def test_directory_name() -> None:
    config = parse_pbtxt('name: "n"', "config.pbtxt").config
    with pytest.raises(InvalidArgError) as caught:
        validate_directory_name(config, "d")
    assert caught.value.message == (
        "unexpected directory name 'd' for model 'n', directory name must equal model name"
    )
    validate_directory_name(config, "n")


def test_config_version() -> None:
    validate_config_version(1)
    with pytest.raises(InvalidArgError) as caught:
        validate_config_version(2)
    assert caught.value.message == (
        "model configuration version 2 not supported, supported versions are: 1"
    )


def test_inputs_and_outputs_that_the_model_has_not() -> None:
    text = BASE + IO + 'output { name: "o" data_type: TYPE_FP32 dims: 1 }'
    config = parse_pbtxt(text, "config.pbtxt").config
    validate_allowed(config, {"i"}, {"o"})
    with pytest.raises(InvalidArgError) as caught:
        validate_allowed(config, {"b", "a"}, {"o"})
    assert caught.value.message == "unexpected inference input 'i', allowed inputs are: a, b"
    with pytest.raises(InvalidArgError) as caught:
        validate_allowed(config, {"i"}, {"p"})
    assert caught.value.message == "unexpected inference output 'o', allowed outputs are: p"


def test_an_unknown_metric_family_is_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "penstock.config"):
        validate(
            BASE + 'model_metrics { metric_control { metric_identifier { family: "other" } '
            "histogram_options { buckets: [1, 2] } } }"
        )
    assert "other" in caplog.text
