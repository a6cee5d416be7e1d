# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Execution providers of an ONNX model: what `execution_accelerators` and `parameters` say (5.2).

A GPU instance always has ONNX Runtime's CUDA provider, which runs what a TensorRT accelerator
leaves; the CPU comes last by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError

#: a name and options, both ONNX Runtime's
Provider = tuple[str, dict[str, str]]

_PRECISIONS: Final[dict[str, dict[str, str]]] = {
    "FP32": {},
    "FP16": {"trt_fp16_enable": "1"},
    "BF16": {"trt_bf16_enable": "1"},
    "INT8": {"trt_int8_enable": "1"},
}
#: Triton's names of options that the provider calls otherwise; it has the `trt_` ones itself.
_TENSORRT_KEYS: Final = {
    "max_workspace_size_bytes": "trt_max_workspace_size",
    "int8_calibration_table_name": "trt_int8_calibration_table_name",
    "int8_use_native_calibration_table": "trt_int8_use_native_calibration_table",
}
_SEARCHES: Final = {"0": "EXHAUSTIVE", "1": "HEURISTIC", "2": "DEFAULT"}
_STRATEGIES: Final = {"0": "kNextPowerOfTwo", "1": "kSameAsRequested"}
#: `parameters` from before there were options of the cuda accelerator, and numbers' names.
_CUDA_PARAMETERS: Final[dict[str, Mapping[str, str]]] = {
    "cudnn_conv_algo_search": _SEARCHES,
    "gpu_mem_limit": {},
    "arena_extend_strategy": _STRATEGIES,
    "do_copy_in_default_stream": {},
}
#: What the instance decides.
_DEVICE: Final = "device_id"
_CURES: Final = {
    "CUDA": ": pip install 'penstock[onnx-gpu]'",
    "TensorRT": ": pip install 'penstock[onnx-gpu]', and TensorRT's own libraries",
    "OpenVINO": ": install onnxruntime-openvino in place of onnxruntime, or serve the model with "
    "the back end 'openvino' (pip install 'penstock[openvino]')",
}


def gpu_providers(context: ModelContext, device: int) -> list[Provider]:
    """For instances on a GPU, in the order in which they are asked; CUDA is the last.

    Raises InvalidArgError for an accelerator or a parameter that is not known.
    """
    cuda = _cuda_parameters(context)
    providers: list[Provider] = []
    for accelerator in context.config.optimization.execution_accelerators.gpu_execution_accelerator:
        parameters = dict(accelerator.parameters)
        if _DEVICE in parameters:
            raise InvalidArgError(
                f"parameter '{_DEVICE}' of Execution Accelerator '{accelerator.name}' of model "
                f"'{context.name}' is decided by instance_group.gpus"
            )
        if accelerator.name == "tensorrt":
            providers.append(("TensorRT", {_DEVICE: str(device)} | _tensorrt_options(parameters)))
        elif accelerator.name == "cuda":
            cuda |= parameters
        else:
            raise _unknown(accelerator.name)
    return [*providers, ("CUDA", {_DEVICE: str(device)} | cuda)]


def cpu_providers(context: ModelContext) -> list[Provider]:
    """For instances on the CPU. Raises InvalidArgError for an accelerator that is not known."""
    providers: list[Provider] = []
    for accelerator in context.config.optimization.execution_accelerators.cpu_execution_accelerator:
        if accelerator.name != "openvino":
            raise _unknown(accelerator.name)
        providers.append(("OpenVINO", dict(accelerator.parameters)))
    return providers


def cure(provider: str) -> str:
    """What to install, as the end of an error's text."""
    return _CURES.get(provider, "")


def _unknown(name: str) -> InvalidArgError:
    return InvalidArgError(f"unknown Execution Accelerator '{name}' is requested")


def _tensorrt_options(parameters: Mapping[str, str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for key, value in parameters.items():
        if key == "precision_mode":
            if value not in _PRECISIONS:
                raise InvalidArgError(f"unsupported precision mode '{value}' is requested")
            options |= _PRECISIONS[value]
        elif key in _TENSORRT_KEYS:
            options[_TENSORRT_KEYS[key]] = value
        elif key.startswith("trt_"):
            options[key] = value
        else:
            raise InvalidArgError(
                f"unknown parameter '{key}' is provided for TensorRT Execution Accelerator"
            )
    return options


def _cuda_parameters(context: ModelContext) -> dict[str, str]:
    parameters = context.config.parameters
    return {
        key: names.get(parameters[key].string_value, parameters[key].string_value)
        for key, names in _CUDA_PARAMETERS.items()
        if key in parameters
    }
