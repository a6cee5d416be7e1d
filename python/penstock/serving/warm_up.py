# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Runs the samples of `model_warmup` on every instance before a version is served (2.10, X-60)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock._engine import ModelVersion, Tensor, deserialize_bytes, tensor_from_numpy
from penstock._proto.model_config_pb2 import ModelConfig, ModelWarmup
from penstock.errors import InvalidArgError, ServerError
from penstock.types import NUMPY_DTYPES, DataType

#: Samples are the same at every load.
_SEED = 2026


@dataclass(frozen=True)
class _Sample:
    """The inputs of one request, and how often it is executed."""

    name: str
    inputs: Sequence[tuple[str, Tensor]]
    batch_size: int
    count: int


def warm_up(model: ModelVersion, config: ModelConfig, model_dir: Path) -> None:
    """Every instance, side by side with the others, runs every sample.

    Raises InvalidArgError with the contract's text for a sample that cannot be made or that fails.
    """
    samples = [
        _Sample(sample.name, _inputs(config, sample, model_dir), sample.batch_size, sample.count)
        for sample in config.model_warmup
        if sample.batch_size
    ]
    if not samples:
        return
    count = model.plan.instance_count
    with ThreadPoolExecutor(count, thread_name_prefix="warm-up") as threads:
        for done in [threads.submit(_run, model, index, samples) for index in range(count)]:
            done.result()


def _run(model: ModelVersion, index: int, samples: Sequence[_Sample]) -> None:
    for sample in samples:
        for _ in range(max(1, sample.count)):
            try:
                for size in _batches(sample.batch_size, model.plan.max_batch_size):
                    model.warm_up(index, [sample.inputs] * size)
            except ServerError as error:
                raise InvalidArgError(
                    f"failed to run warmup sample '{sample.name}': {error.message}; "
                ) from error


def _batches(requests: int, max_batch_size: int) -> Iterator[int]:
    """Sizes of batches that the model can take: one, unless the sample is larger than that."""
    most = max(1, max_batch_size)
    for first in range(0, requests, most):
        yield min(most, requests - first)


def _inputs(config: ModelConfig, sample: ModelWarmup, model_dir: Path) -> list[tuple[str, Tensor]]:
    random = np.random.default_rng(_SEED)
    inputs = []
    for name in sorted(sample.inputs):
        data = sample.inputs[name]
        try:
            array = _array(data, model_dir, random)
        except (MemoryError, OverflowError, ValueError) as error:
            raise InvalidArgError(
                f"unable to make input '{name}' of warmup sample '{sample.name}' for model "
                f"'{config.name}': {error}"
            ) from error
        if config.max_batch_size > 0:
            array = array[np.newaxis]
        inputs.append((name, tensor_from_numpy(array, data.data_type)))
    return inputs


def _array(
    data: ModelWarmup.Input, model_dir: Path, random: np.random.Generator
) -> npt.NDArray[Any]:
    shape = tuple(data.dims)
    kind = data.WhichOneof("input_data_type")
    if kind == "input_data_file":
        return _file_array(data, model_dir / "warmup" / data.input_data_file)
    if DataType(data.data_type) is DataType.BYTES:
        return np.full(shape, b"", dtype=object)
    if kind == "random_data":
        return _random_array(data.data_type, shape, random)
    return np.zeros(shape, _dtype(data.data_type))


def _random_array(
    data_type: int, shape: tuple[int, ...], random: np.random.Generator
) -> npt.NDArray[Any]:
    """Floats in [0, 1), integers of the whole range."""
    dtype = _dtype(data_type)
    if data_type == DataType.BF16:  # the upper half of a float
        floats = np.atleast_1d(random.random(shape, np.float32))
        return (floats.view(np.uint32) >> 16).astype(dtype).reshape(shape)
    if dtype.kind == "b":
        return np.asarray(random.integers(0, 2, shape)).astype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        integers = random.integers(limits.min, limits.max, shape, dtype.type, endpoint=True)
        return np.asarray(integers)
    return np.asarray(random.random(shape)).astype(dtype)


def _file_array(data: ModelWarmup.Input, path: Path) -> npt.NDArray[Any]:
    """The beginning of the file as the elements' bytes; strings have their lengths in front."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read '{path.name}': {error.strerror}") from error
    shape = tuple(data.dims)
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if DataType(data.data_type) is DataType.BYTES:
        return deserialize_bytes(content, count).reshape(shape)
    dtype = _dtype(data.data_type)
    expected = count * dtype.itemsize
    if len(content) < expected:
        raise InvalidArgError(
            f"warmup setting expects {expected} bytes, but the data provided from "
            f"{data.input_data_file}only has {len(content)} bytes"
        )
    return np.frombuffer(content, dtype, count).reshape(shape)


def _dtype(data_type: int) -> np.dtype[Any]:
    if data_type == DataType.BF16:
        return np.dtype(np.uint16)  # its bits
    if data_type == DataType.INVALID:
        raise ValueError("it has no data type")
    return np.dtype(NUMPY_DTYPES[DataType(data_type)])
