# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a TensorFlow graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.backends.framework import FrameworkInstance, Output
from penstock.backends.interface import ModelContext
from penstock.types import DataType

if TYPE_CHECKING:
    from penstock._engine import ModelPlan, Tensor

    from .session import GraphSession


class TensorFlowInstance(FrameworkInstance):
    """Inputs that begin at a multiple of 64 bytes and all outputs are not copied."""

    framework: ClassVar[str] = "TensorFlow"

    def __init__(
        self,
        context: ModelContext,
        plan: ModelPlan,
        scalars: frozenset[str],
        session: GraphSession,
    ) -> None:
        """The session may be shared with other instances."""
        super().__init__(context, plan, scalars=scalars)
        self._session = session

    def present(self, tensor: Tensor) -> Any:
        """BF16 has a numpy type of TensorFlow's."""
        value = super().present(tensor)
        return self._session.as_bfloat16(value) if tensor.data_type == DataType.BF16 else value

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        """Feeds and fetches by the names of the signature."""
        return self._session.call(inputs, wanted)
