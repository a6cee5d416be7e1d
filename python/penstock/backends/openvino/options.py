# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a configuration says to OpenVINO (contract 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.backends.framework import count_parameter, text_parameter
from penstock.backends.framework.availability import refuse_accelerators
from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError, UnsupportedError

#: `parameters` that are OpenVINO's own properties; it checks their values itself
_PROPERTIES: Final = (
    "PERFORMANCE_HINT",
    "PERFORMANCE_HINT_NUM_REQUESTS",
    "EXECUTION_MODE_HINT",
    "INFERENCE_PRECISION_HINT",
    "ENABLE_CPU_PINNING",
    "ENABLE_HYPER_THREADING",
    "SCHEDULING_CORE_TYPE",
    "CPU_DENORMALS_OPTIMIZATION",
    "CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE",
    "KV_CACHE_PRECISION",
)
_DEVICES: Final = ("CPU", "AUTO")


@dataclass(frozen=True)
class OpenVinoOptions:
    """Of one model."""

    properties: dict[str, str | int | bool]
    #: the inputs take the configured shapes before the model is compiled
    reshape: bool
    #: the batch dimension is max_batch_size and nothing else
    fixed_batch: bool
    #: smaller batches are filled up with zeros
    pad_batch: bool
    #: a library of operations, inside the model's directory
    extension: Path | None

    @property
    def changes_shapes(self) -> bool:
        """Whether the configuration tells the model its shapes, and not the other way round."""
        return self.reshape or self.fixed_batch


def openvino_options(context: ModelContext) -> OpenVinoOptions:
    """Raises InvalidArgError for values that are not allowed, UnsupportedError for devices."""
    refuse_accelerators("OpenVINO", context)
    device = text_parameter(context, "TARGET_DEVICE", _DEVICES[0])
    if device not in _DEVICES:
        raise UnsupportedError(
            f"parameter 'TARGET_DEVICE' of model '{context.name}' is '{device}', OpenVINO runs on "
            f"the CPU here"
        )
    fixed_batch = _yes(context, "SKIP_OV_DYNAMIC_BATCHSIZE")
    if fixed_batch and context.config.max_batch_size < 1:
        raise InvalidArgError(
            f"parameter 'SKIP_OV_DYNAMIC_BATCHSIZE' of model '{context.name}' needs a "
            f"max_batch_size"
        )
    return OpenVinoOptions(
        properties=_properties(context),
        reshape=_yes(context, "RESHAPE_IO_LAYERS"),
        fixed_batch=fixed_batch,
        pad_batch=fixed_batch and _yes(context, "ENABLE_BATCH_PADDING"),
        extension=_extension(context),
    )


def _properties(context: ModelContext) -> dict[str, str | int | bool]:
    """No more threads than the model's share of the machine.

    They are not pinned to cores, unless asked for: other frameworks' threads run there, too.
    """
    share = max(1, context.cpu_share)
    properties: dict[str, str | int | bool] = {
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": min(
            count_parameter(context, "INFERENCE_NUM_THREADS") or share, share
        ),
    }
    for name in _PROPERTIES:
        text = text_parameter(context, name)
        if text:
            properties[name] = text
    if text_parameter(context, "HINT_BF16"):
        bf16 = _yes(context, "HINT_BF16")
        properties.setdefault("INFERENCE_PRECISION_HINT", "bf16" if bf16 else "f32")
    streams = text_parameter(context, "NUM_STREAMS")
    if streams.upper() == "AUTO":
        properties["NUM_STREAMS"] = "AUTO"
    elif streams:
        properties["NUM_STREAMS"] = min(max(1, count_parameter(context, "NUM_STREAMS")), share)
    elif "PERFORMANCE_HINT" not in properties:
        instances = sum(max(1, group.count) for group in context.config.instance_group)
        properties["NUM_STREAMS"] = min(max(1, instances), share)
    count_parameter(context, "COMPILATION_NUM_THREADS")  # the CPU compiles on the calling thread
    return properties


def _yes(context: ModelContext, name: str) -> bool:
    text = text_parameter(context, name, "NO")
    if text.upper() not in ("YES", "NO"):
        raise InvalidArgError(
            f"parameter '{name}' of model '{context.name}' must be YES or NO, got '{text}'"
        )
    return text.upper() == "YES"


def _extension(context: ModelContext) -> Path | None:
    """A library is code: it must come with the model."""
    text = text_parameter(context, "CPU_EXTENSION_PATH")
    if not text:
        return None
    path = (context.model_dir / text).resolve()
    if not path.is_relative_to(context.model_dir.resolve()):
        raise InvalidArgError(
            f"CPU_EXTENSION_PATH '{text}' of model '{context.name}' leads out of the model's "
            f"directory"
        )
    return path
