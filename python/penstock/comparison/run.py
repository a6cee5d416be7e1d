# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The comparison itself: every request through every model, then the clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.comparison.agreement import Agreement, Tolerance
from penstock.comparison.errors import ComparisonError
from penstock.comparison.inputs import inputs_for
from penstock.comparison.matching import Matching
from penstock.comparison.models import Model
from penstock.comparison.recorded import Request
from penstock.comparison.tensors import Tensor
from penstock.comparison.timing import Candidate, Load, Timing, measure

#: Requests and their bytes that are kept to be timed; all of them are compared.
_TIMED_REQUESTS: Final = 256
_TIMED_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class Compared:
    """A model beside the reference, output by output."""

    model: Model
    outputs: Sequence[Agreement]
    #: outputs that only one of both has
    left_out: Sequence[str]

    @property
    def failures(self) -> list[str]:
        """What is out of tolerance, in words."""
        return [f"{each.output}: {text}" for each in self.outputs for text in each.failures()]


@dataclass(frozen=True)
class Comparison:
    """What came out."""

    reference: Model
    compared: Sequence[Compared]
    #: of the reference and the others, in that order; empty: nothing was timed
    timings: Sequence[Timing]
    requests: int
    rows: int
    #: where the inputs come from, in words
    source: str
    tolerance: Tolerance
    load: Load

    @property
    def within(self) -> bool:
        """Every output of every model is within the tolerance."""
        return not any(each.failures for each in self.compared)

    @property
    def models(self) -> list[Model]:
        """The reference, then the others."""
        return [self.reference, *(each.model for each in self.compared)]


def compare(
    models: Sequence[Model],
    matchings: Sequence[Matching],
    requests: Iterable[Request],
    *,
    source: str,
    tolerance: Tolerance,
    load: Load,
) -> Comparison:
    """The first model is the reference; a matching for each of the others. Blocks.

    Raises ComparisonError when a model does not answer, or there is no request.
    """
    reference, *others = models
    compared = [
        Compared(model, _agreements(matching, tolerance), matching.left_out)
        for model, matching in zip(others, matchings, strict=True)
    ]
    asking = _Asking(models, matchings)
    count = rows = 0
    for request in requests:
        answers = asking.ask(request)
        batched = reference.max_batch_size > 0
        for each, answer in zip(compared, answers[1:], strict=True):
            for agreement in each.outputs:
                ours, theirs = answers[0][agreement.output], answer[agreement.other]
                agreement.add(ours, theirs, batched=batched)
        count += 1
        rows += _rows(reference, request)
    if not count:
        raise ComparisonError("there is no request to send: see --samples and --inputs")
    timings = measure(asking.candidates, load) if load.requests else []
    return Comparison(reference, compared, timings, count, rows, source, tolerance, load)


def _agreements(matching: Matching, tolerance: Tolerance) -> list[Agreement]:
    return [Agreement(ours, theirs, tolerance) for ours, theirs in matching.outputs.items()]


class _Asking:
    """Encodes requests for all models, and keeps the first of them for the clock."""

    def __init__(self, models: Sequence[Model], matchings: Sequence[Matching]) -> None:
        reference, *others = models
        self._models = models
        itself: Mapping[str, str] = {spec.name: spec.name for spec in reference.inputs}
        self._names = [itself, *(matching.inputs for matching in matchings)]
        ours = {name for matching in matchings for name in matching.outputs}
        self._outputs: list[list[str]] = [
            [spec.name for spec in reference.outputs if spec.name in ours],
            *(list(matching.outputs.values()) for matching in matchings),
        ]
        self._kept: list[list[object]] = [[] for _ in models]
        self._kept_bytes = 0
        self._rows: list[int] = []

    @property
    def candidates(self) -> list[Candidate]:
        """What was kept, for `measure`."""
        return [
            Candidate(model.client, kept, self._rows)
            for model, kept in zip(self._models, self._kept, strict=True)
        ]

    def ask(self, request: Request) -> list[dict[str, Tensor]]:
        """The answers of all models by name, the reference's first."""
        keep = len(self._rows) < _TIMED_REQUESTS and self._kept_bytes < _TIMED_BYTES
        answers = []
        for place, model in enumerate(self._models):
            inputs = inputs_for(model, self._names[place], request)
            encoded = model.client.encode(model, inputs, self._outputs[place])
            answers.append(_answer(model, encoded, self._outputs[place]))
            if keep:
                self._kept[place].append(encoded)
                self._kept_bytes += sum(tensor.array.nbytes for tensor in inputs)
        if keep:
            self._rows.append(_rows(self._models[0], request))
        return answers


def _answer(model: Model, encoded: object, outputs: Sequence[str]) -> dict[str, Tensor]:
    try:
        answer = {each.name: each for each in model.client.decode(model.client.send(encoded))}
    except ComparisonError as error:
        raise ComparisonError(f"model '{model.label}': {error}") from None
    missing = [name for name in outputs if name not in answer]
    if missing:
        raise ComparisonError(f"model '{model.label}' did not answer with output '{missing[0]}'")
    return answer


def _rows(model: Model, request: Request) -> int:
    """Of a request; one for a model that does not batch."""
    shapes: Iterator[tuple[int, ...]] = (tensor.shape for tensor in request.values())
    first = next(shapes, ())
    return first[0] if model.max_batch_size > 0 and first else 1
