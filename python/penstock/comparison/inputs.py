# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The requests that every model gets, in the reference's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from penstock.comparison.errors import ComparisonError
from penstock.comparison.generated import Recipe, generate
from penstock.comparison.matching import Matching, merge
from penstock.comparison.models import Model
from penstock.comparison.recorded import Request, read_recorded
from penstock.comparison.tensors import Tensor, cast


def generated_requests(
    models: Sequence[Model], matchings: Sequence[Matching], recipe: Recipe
) -> Iterator[Request]:
    """From the specifications of all models, the reference's first. Raises ComparisonError."""
    batched = any(model.max_batch_size > 0 for model in models)
    specs = []
    for spec in models[0].inputs:
        pairs = [(models[0], spec)]
        for model, matching in zip(models[1:], matchings, strict=True):
            name = matching.inputs.get(spec.name)
            pairs += [(model, own) for own in model.inputs if own.name == name]
        specs.append(merge(pairs))
    return generate(specs, recipe, batched=batched)


def recorded_requests(
    models: Sequence[Model],
    matchings: Sequence[Matching],
    paths: Sequence[Path],
    batch_size: int,
) -> Iterator[Request]:
    """From files; with a `batch_size`, requests with more rows are cut. Raises ComparisonError.

    A file may use the names of any of the models.
    """
    names = {spec.name: spec.name for spec in models[0].inputs}
    for matching in matchings:
        names = {own: ours for ours, own in matching.inputs.items() if own not in names} | names
    for source, request in read_recorded(paths):
        unknown = [name for name in request if name not in names]
        if unknown:
            raise ComparisonError(
                f"{source} has '{unknown[0]}', which is no input: rename it to one of "
                f"{', '.join(sorted(spec.name for spec in models[0].inputs))}"
            )
        renamed = {names[name]: tensor for name, tensor in request.items()}
        missing = [s.name for s in models[0].inputs if not s.optional and s.name not in renamed]
        if missing:
            raise ComparisonError(f"{source} lacks input '{missing[0]}'")
        yield from _cut(source, renamed, batch_size) if batch_size else (renamed,)


def _cut(source: str, request: Request, rows: int) -> Iterator[Request]:
    counts = {tensor.shape[:1] for tensor in request.values()}
    if len(counts) != 1 or counts == {()}:
        raise ComparisonError(
            f"{source}: its inputs have no common number of rows, leave --batch-size away"
        )
    ((count,),) = counts
    for start in range(0, count, rows):
        yield {
            name: Tensor(tensor.name, tensor.datatype, tensor.array[start : start + rows])
            for name, tensor in request.items()
        }


def inputs_for(model: Model, names: Mapping[str, str], request: Request) -> list[Tensor]:
    """The request in the model's names and data types. Raises ComparisonError."""
    specs = {spec.name: spec for spec in model.inputs}
    tensors = []
    for ours, tensor in request.items():
        if ours not in names:
            continue  # an optional input that this model has not
        own = names[ours]
        try:
            tensors.append(cast(tensor, own, specs[own].datatype))
        except ComparisonError as error:
            raise ComparisonError(f"model '{model.label}': {error}") from None
        _check_shape(model, own, specs[own].shape, tensor.shape)
    return tensors


def _check_shape(model: Model, name: str, shape: tuple[int, ...], given: tuple[int, ...]) -> None:
    fits = len(shape) == len(given) and all(
        dim in (-1, own) for dim, own in zip(shape, given, strict=True)
    )
    if not fits:
        raise ComparisonError(
            f"input '{name}' of model '{model.label}' has shape {list(shape)}, not {list(given)}"
        )
    if 0 < model.max_batch_size < given[0]:
        raise ComparisonError(
            f"model '{model.label}' takes {model.max_batch_size} rows at most, not {given[0]}: "
            f"give --batch-size {model.max_batch_size}"
        )
