# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What all kinds of model files become: something that is called with tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError
from penstock.types import DataType

#: a tensor, or strings: a list of them
Value = Any


class Program(Protocol):
    """A loaded model on one device. Instances that share one call it from several threads."""

    #: tensors that have no dimensions where the configuration says [1]
    scalars: frozenset[str]

    def __call__(self, inputs: dict[str, Value]) -> Mapping[str, Value]:
        """Inputs by configured name, on the program's device; what the model returns, by name."""
        ...


ProgramType = Callable[[ModelContext, Path, torch.device | None], Program]


def refuse_strings(context: ModelContext, allowed: Collection[str] = ()) -> None:
    """Raises InvalidArgError for an input of strings that is not among `allowed`."""
    for tensor in context.config.input:
        if int(tensor.data_type) == DataType.BYTES and tensor.name not in allowed:
            raise InvalidArgError(
                f"input '{tensor.name}' of model '{context.name}' has datatype TYPE_STRING, which "
                f"PyTorch has only as a List[str] of TorchScript"
            )


def device_words() -> str:
    """What PyTorch finds on this machine, for errors."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(count)]
    return f"PyTorch {torch.__version__} finds: {', '.join(['cpu', *found])}"
