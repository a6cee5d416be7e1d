# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which instances have their tensors in a GPU's memory, and whether there is room for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock import _engine
from penstock._engine import Engine
from penstock.backends.interface import Backend, InstanceSpec, ModelContext, TakesDeviceTensors
from penstock.errors import ServerError, UnavailableError


def instance_devices(
    engine: Engine, backend: Backend, context: ModelContext, specs: Sequence[InstanceSpec]
) -> tuple[int, ...]:
    """For ModelPlan: the GPU of each instance that takes requests, -1 for the host's memory.

    Empty when all are on the host. Without a CUDA runtime back ends copy tensors by themselves.
    """
    if not _engine.engine_has_devices(engine) or not isinstance(backend, TakesDeviceTensors):
        return ()
    if not any(spec.kind == "GPU" for spec in specs) or not backend.takes_device_tensors(context):
        return ()
    return tuple(spec.device_id if spec.kind == "GPU" else -1 for spec in specs if not spec.passive)


def check_limits(
    engine: Engine, model: str, specs: Sequence[InstanceSpec], limits: Mapping[int, float]
) -> None:
    """R-31: refuses a model whose GPU is fuller than --model-load-gpu-limit allows.

    Raises UnavailableError, also when a GPU with a limit cannot be asked.
    """
    for device in sorted({spec.device_id for spec in specs if spec.kind == "GPU"} & limits.keys()):
        try:
            free_bytes, total_bytes = _engine.gpu_memory(engine, device)
        except ServerError as error:
            raise UnavailableError(
                f"can not create model '{model}': GPU {device} has a memory limit, and cannot be "
                f"asked for its memory: {error.message}"
            ) from None
        if total_bytes - free_bytes > limits[device] * total_bytes:
            raise UnavailableError(
                f"can not create model '{model}': memory limit set for GPU {device} has exceeded, "
                f"model loading is rejected."
            )
