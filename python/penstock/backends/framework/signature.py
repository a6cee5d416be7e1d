# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a model file says about one of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from penstock.errors import InvalidArgError


class TensorSignature(NamedTuple):
    """An input or output as the framework knows it."""

    name: str
    #: a DataType; INVALID (0) for what the protocol cannot carry
    data_type: int
    #: all dimensions, the batch's too, -1 where open; None: not even their number is known
    dims: tuple[int, ...] | None


def by_name(signatures: Sequence[TensorSignature], kind: str, name: str) -> TensorSignature:
    """The one of that name. `kind`: input or output. Raises InvalidArgError (contract 3.2)."""
    for signature in signatures:
        if signature.name == name:
            return signature
    allowed = ", ".join(signature.name for signature in signatures)
    raise InvalidArgError(f"unexpected inference {kind} '{name}', allowed {kind}s are: {allowed}")
