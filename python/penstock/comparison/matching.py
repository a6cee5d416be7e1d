# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which tensor of one model is which of another, across frameworks that name them differently.

What --map says comes first, then the same name, then the same place among those that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.comparison.errors import ComparisonError
from penstock.comparison.models import Model, TensorSpec


@dataclass(frozen=True)
class Matching:
    """Names of the reference's tensors to those of a model."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    #: outputs that only one of both has
    left_out: tuple[str, ...] = ()


def parse_maps(texts: Iterable[str], labels: Sequence[str]) -> dict[str, dict[str, str]]:
    """Reads [MODEL:]REFERENCE=NAME, for the model or all of them. Raises ComparisonError."""
    maps: dict[str, dict[str, str]] = {label: {} for label in labels}
    for text in texts:
        owners = [label for label in labels if text.startswith(f"{label}:")]
        owner = max(owners, key=len, default="")
        pair = text.removeprefix(f"{owner}:") if owner else text
        theirs, equals, own = pair.partition("=")
        if not (theirs and equals and own):
            raise ComparisonError(f"--map '{text}' is not [MODEL:]REFERENCE=NAME")
        for label in [owner] if owner else labels:
            maps[label][theirs] = own
    return maps


def match(reference: Model, model: Model, mapping: Mapping[str, str]) -> Matching:
    """Pairs inputs and outputs of both. Raises ComparisonError with what --map must say."""
    _check_names(reference, model, mapping)
    inputs, _, missing = _pair(reference.inputs, model.inputs, mapping)
    needed = [spec.name for spec in model.inputs if not spec.optional and spec.name in missing]
    if needed:
        raise ComparisonError(
            f"nothing of '{reference.label}' is input '{needed[0]}' of '{model.label}': say which "
            f"by --map {model.label}:NAME={needed[0]}, NAME one of {_names(reference.inputs)}"
        )
    outputs, ours, theirs = _pair(reference.outputs, model.outputs, mapping)
    if not outputs:
        raise ComparisonError(
            f"no output of '{model.label}' is one of '{reference.label}': say which by "
            f"--map {model.label}:NAME=OTHER, NAME one of {_names(reference.outputs)}, "
            f"OTHER of {_names(model.outputs)}"
        )
    return Matching(inputs, outputs, (*ours, *theirs))


def _pair(
    reference: Sequence[TensorSpec], model: Sequence[TensorSpec], mapping: Mapping[str, str]
) -> tuple[dict[str, str], list[str], list[str]]:
    """The pairs, and what is left of both."""
    ours = [spec.name for spec in reference]
    theirs = [spec.name for spec in model]
    pairs = {name: mapping[name] for name in ours if mapping.get(name) in theirs}
    taken = set(pairs.values())
    pairs |= {n: n for n in ours if n not in pairs and n in theirs and n not in taken}
    taken = set(pairs.values())
    left = [name for name in ours if name not in pairs]
    right = [name for name in theirs if name not in taken]
    if len(left) == len(right):  # else a place says nothing
        return pairs | dict(zip(left, right, strict=True)), [], []
    return pairs, left, right


def _check_names(reference: Model, model: Model, mapping: Mapping[str, str]) -> None:
    for theirs, own in mapping.items():
        for name, owner in ((theirs, reference), (own, model)):
            known = (*owner.inputs, *owner.outputs)
            if name not in {spec.name for spec in known}:
                raise ComparisonError(
                    f"--map {theirs}={own}: '{owner.label}' has no '{name}', it has {_names(known)}"
                )


def merge(pairs: Iterable[tuple[Model, TensorSpec]]) -> TensorSpec:
    """The input that all models take: dimensions that one leaves open are those of another.

    The first is the reference's and names it. Raises ComparisonError when they exclude each other.
    """
    (first, merged), *others = pairs
    for model, spec in others:
        fits = len(spec.shape) == len(merged.shape) and all(
            -1 in dims or dims[0] == dims[1] for dims in zip(merged.shape, spec.shape, strict=True)
        )
        if not fits:
            raise ComparisonError(
                f"input '{merged.name}' of '{first.label}' has shape {list(merged.shape)}, "
                f"'{spec.name}' of '{model.label}' {list(spec.shape)}: no input fits both"
            )
        shape = tuple(max(dims) for dims in zip(merged.shape, spec.shape, strict=True))
        merged = TensorSpec(merged.name, merged.datatype, shape, merged.optional)
    return merged


def _names(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(f"'{spec.name}'" for spec in specs) or "none"
