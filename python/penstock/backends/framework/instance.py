# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a model that a framework runs through Python.

A batch's inputs are laid side by side and given to the framework as views, its outputs are cut
into the requests' parts; neither is copied.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from penstock._engine import Tensor, tensor_from_numpy
from penstock.backends.interface import ModelContext
from penstock.errors import Code, InternalError, ServerError
from penstock.types import DataType

from .failure import own_words

if TYPE_CHECKING:
    from penstock._engine import Batch, ModelPlan

_log = logging.getLogger(__name__)

_BF16 = int(DataType.BF16)  # an enumeration's member costs 0.1 us to look up and compare

Array = npt.NDArray[Any]
#: an array, or what the core already has as a tensor (`penstock._engine.tensor_from_dlpack`)
Output = Array | Tensor


class FrameworkInstance(ABC):
    """Answers batches by `run`, which a framework's back end provides. One thread uses it."""

    #: the framework's name in errors
    framework: ClassVar[str]

    def __init__(
        self, context: ModelContext, plan: ModelPlan, *, scalars: frozenset[str] = frozenset()
    ) -> None:
        """`scalars`: tensors without dimensions for the framework, [1] for clients (`match`)."""
        self._context = context
        self._outputs = {spec.name: DataType(spec.data_type) for spec in plan.outputs}
        self._scalars = scalars
        self._bfloat16 = {name for name, kind in self._outputs.items() if kind is DataType.BF16}
        #: of the batch at hand: a cudaStream_t that outputs in a GPU's memory are read from, or 0
        self.stream = 0

    @abstractmethod
    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        """One call of the model.

        `inputs`: by configured name, in the plan's order, what `present` made of them; optional
        ones that nobody sent are absent. `wanted`: the outputs that are needed; others may be
        left out, and are dropped. Shapes are those of the framework, with the batch dimension
        where the model is batched. Returned strings are object arrays, BF16 ml_dtypes.bfloat16.

        The arrays that it returns belong to the caller: a buffer that the framework will write
        again must be copied. Whatever it raises fails the batch, in its own words; a ServerError
        as it is.
        """

    def present(self, tensor: Tensor) -> Any:
        """An input as `run` gets it: a read-only view of the core's memory.

        One of a back end that takes device tensors may be in a GPU's memory: `Tensor.device`.
        BYTES: an object array of `bytes`. BF16: its bits, as uint16.
        """
        if tensor.data_type != _BF16:
            return tensor.numpy()
        if tensor.nbytes == 0:
            return np.empty(tensor.shape, np.uint16)
        return np.frombuffer(memoryview(tensor), np.uint16).reshape(tensor.shape)

    def finalize(self) -> None:  # noqa: B027
        """Nothing to close, unless the framework has something."""

    def execute(self, batch: Batch) -> None:
        """Answers every request of the batch, or fails them all."""
        self.stream = batch.stream
        try:
            inputs = self._gather(batch)
            wanted = batch.wanted_outputs()
            batch.mark_exec_start()
            try:
                outputs = self.run(inputs, wanted)
            finally:
                batch.mark_exec_end()
            for name in wanted:
                batch.scatter(name, self._output(outputs, name))
        except ServerError as error:
            self._fail(batch, error.code, error.message)
        except Exception as error:
            context = self._context
            self._fail(
                batch,
                Code.INTERNAL,
                f"{self.framework} execute failure: model '{context.name}' version "
                f"{context.version}: {own_words(error, context)}",
            )

    def _gather(self, batch: Batch) -> dict[str, Any]:
        inputs: dict[str, Any] = batch.gather_all()
        for name, tensor in inputs.items():
            value = self.present(tensor)
            inputs[name] = value.reshape(()) if name in self._scalars else value
        return inputs

    def _output(self, outputs: Mapping[str, Output], name: str) -> Tensor:
        """As the core takes it. Raises InternalError naming what is wrong."""
        value = outputs.get(name)
        if value is None:
            raise self.missing(name, outputs)
        if isinstance(value, Tensor):
            return value
        if name in self._scalars:
            value = value.reshape(1)
        if name in self._bfloat16 and value.dtype.name == "bfloat16":
            # of ml_dtypes: numpy itself has none
            return tensor_from_numpy(value.view(np.uint16), DataType.BF16)
        try:
            return tensor_from_numpy(value)
        except ServerError as error:
            raise InternalError(
                f"unexpected data type for output '{name}' of model '{self._context.name}'. "
                f"Expected {self._outputs[name].name}, got {value.dtype}: {error.message}"
            ) from None

    def missing(self, name: str, returned: Iterable[str]) -> InternalError:
        """The error for an output that the model did not return."""
        context = self._context
        return InternalError(
            f"model '{context.name}' version {context.version} did not return output '{name}'; "
            f"it returned: {', '.join(returned) or 'nothing'}"
        )

    def _fail(self, batch: Batch, code: Code, message: str) -> None:
        _log.error("%s", message)
        batch.fail_all(code, message)
