# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ONNX Runtime: library and session options, without the library (5.2)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.protobuf import text_format
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import ModelContext
from penstock.backends.onnxruntime.backend import find_library
from penstock.backends.onnxruntime.options import session_options
from penstock.backends.onnxruntime.providers import cpu_providers, gpu_providers
from penstock.errors import InvalidArgError


def context(
    text: str = "",
    *,
    cpu_share: int = 8,
    settings: Mapping[str, str] | None = None,
) -> ModelContext:
    config = text_format.Parse(text, ModelConfig(name="m"))
    return ModelContext(
        name="m",
        version=1,
        model_dir=Path("/repository/m"),
        config=config,
        backend_config=settings or {},
        cpu_share=cpu_share,
    )


def test_the_library_is_found_without_an_import() -> None:
    loaded = "onnxruntime" in sys.modules
    path = find_library()
    assert path.is_file()
    assert path.parent.name == "capi"
    assert ("onnxruntime" in sys.modules) == loaded


class TestOptions:
    def test_threads_are_the_share_of_each_instance(self) -> None:
        options = session_options(context("instance_group { count: 2 }", cpu_share=8))
        assert options["intra_op_thread_count"] == 4
        assert options["inter_op_thread_count"] == 1

    def test_more_instances_than_cores(self) -> None:
        options = session_options(context("instance_group { count: 9 }", cpu_share=2))
        assert options["intra_op_thread_count"] == 1

    def test_parallel_execution_has_a_pool_between_operations(self) -> None:
        options = session_options(
            context("parameters { key: 'execution_mode' value { string_value: '1' } }")
        )
        assert options["inter_op_thread_count"] == 8

    @pytest.mark.parametrize(("asked", "given"), [("3", 3), ("0", 8), ("100", 8)])
    def test_parameters_are_bounded_by_the_share(self, asked: str, given: int) -> None:
        text = f"parameters {{ key: 'intra_op_thread_count' value {{ string_value: '{asked}' }} }}"
        assert session_options(context(text))["intra_op_thread_count"] == given

    def test_back_end_settings_are_the_default(self) -> None:
        options = session_options(context(settings={"intra_op_thread_count": "2"}))
        assert options["intra_op_thread_count"] == 2

    def test_a_count_that_is_none(self) -> None:
        text = "parameters { key: 'intra_op_thread_count' value { string_value: 'many' } }"
        with pytest.raises(InvalidArgError) as caught:
            session_options(context(text))
        assert caught.value.message == (
            "parameter 'intra_op_thread_count' of model 'm' must be a count of threads, got 'many'"
        )

    def test_graph_level_and_known_parameters_only(self) -> None:
        options = session_options(
            context(
                """
                optimization { graph { level: -1 } }
                parameters { key: 'enable_mem_arena' value { string_value: '0' } }
                parameters { key: 'owner' value { string_value: 'somebody' } }
                """
            )
        )
        assert options["optimization.graph.level"] == -1
        assert options["enable_mem_arena"] == "0"
        assert "owner" not in options

    def test_a_custom_library_must_come_with_the_model(self) -> None:
        inside = "model_operations { op_library_filename: '1/custom.so' }"
        assert session_options(context(inside))["op_library_filename"] == (
            "/repository/m/1/custom.so"
        )
        outside = "model_operations { op_library_filename: '../n/custom.so' }"
        with pytest.raises(InvalidArgError) as caught:
            session_options(context(outside))
        assert caught.value.message == (
            "op_library_filename '../n/custom.so' of model 'm' leads out of the model's directory"
        )


def accelerators(place: str, *texts: str) -> str:
    inside = " ".join(f"{place}_execution_accelerator {{ {text} }}" for text in texts)
    return f"optimization {{ execution_accelerators {{ {inside} }} }}"


def parameter(key: str, value: str) -> str:
    return f"parameters {{ key: '{key}' value: '{value}' }}"


class TestProviders:
    """optimization.execution_accelerators (5.2)."""

    def test_nothing_is_asked_for(self) -> None:
        assert gpu_providers(context(), 3) == [("CUDA", {"device_id": "3"})]
        assert cpu_providers(context()) == []

    def test_tensorrt_comes_before_cuda(self) -> None:
        keys = " ".join(
            parameter(key, value)
            for key, value in (
                ("precision_mode", "FP16"),
                ("max_workspace_size_bytes", "1024"),
                ("trt_engine_cache_enable", "true"),
            )
        )
        text = accelerators("gpu", f"name: 'tensorrt' {keys}")
        assert gpu_providers(context(text), 1) == [
            (
                "TensorRT",
                {
                    "device_id": "1",
                    "trt_fp16_enable": "1",
                    "trt_max_workspace_size": "1024",
                    "trt_engine_cache_enable": "true",
                },
            ),
            ("CUDA", {"device_id": "1"}),
        ]

    def test_options_of_cuda_hide_the_old_parameters(self) -> None:
        text = accelerators("gpu", f"name: 'cuda' {parameter('gpu_mem_limit', '2')}")
        for key, value in (
            ("gpu_mem_limit", "1"),
            ("cudnn_conv_algo_search", "1"),
            ("arena_extend_strategy", "0"),
        ):
            text += f" parameters {{ key: '{key}' value {{ string_value: '{value}' }} }}"
        assert gpu_providers(context(text), 0) == [
            (
                "CUDA",
                {
                    "device_id": "0",
                    "gpu_mem_limit": "2",
                    "cudnn_conv_algo_search": "HEURISTIC",
                    "arena_extend_strategy": "kNextPowerOfTwo",
                },
            )
        ]

    def test_openvino(self) -> None:
        text = accelerators("cpu", f"name: 'openvino' {parameter('num_of_threads', '2')}")
        assert cpu_providers(context(text)) == [("OpenVINO", {"num_of_threads": "2"})]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("name: 'warp'", "unknown Execution Accelerator 'warp' is requested"),
            ("name: 'openvino'", "unknown Execution Accelerator 'openvino' is requested"),
            (
                f"name: 'tensorrt' {parameter('colour', 'red')}",
                "unknown parameter 'colour' is provided for TensorRT Execution Accelerator",
            ),
            (
                f"name: 'tensorrt' {parameter('precision_mode', 'FP1')}",
                "unsupported precision mode 'FP1' is requested",
            ),
            (
                f"name: 'cuda' {parameter('device_id', '1')}",
                "parameter 'device_id' of Execution Accelerator 'cuda' of model 'm' is decided by "
                "instance_group.gpus",
            ),
        ],
    )
    def test_refused_on_gpus(self, text: str, message: str) -> None:
        with pytest.raises(InvalidArgError) as caught:
            gpu_providers(context(accelerators("gpu", text)), 0)
        assert caught.value.message == message

    def test_refused_on_the_cpu(self) -> None:
        with pytest.raises(InvalidArgError) as caught:
            cpu_providers(context(accelerators("cpu", "name: 'tensorrt'")))
        assert caught.value.message == "unknown Execution Accelerator 'tensorrt' is requested"
