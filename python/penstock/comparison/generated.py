# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Inputs made from the models' own specifications, the same for the same seed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from penstock.comparison.errors import ComparisonError
from penstock.comparison.models import TensorSpec
from penstock.comparison.tensors import FLOATS, INTEGERS, Array, Tensor, dtype_of

#: kind -> what its two numbers are without being given
KINDS: Final[Mapping[str, tuple[float, float]]] = {
    "zeros": (0, 0),
    "normal": (0, 1),  # mean, deviation
    "uniform": (0, 1),  # [low, high)
    "ints": (0, 10),  # [low, high)
}
_RULE: Final = re.compile(
    r"(?:(?P<input>.+)=)?(?P<kind>[a-z]+)(?::(?P<low>[^,]+),(?P<high>[^,]+))?"
)
_MAX_ELEMENTS: Final = 1 << 28


@dataclass(frozen=True)
class Rule:
    """How the values of an input are made."""

    kind: str
    low: float
    high: float

    @property
    def text(self) -> str:
        """As --generate has it."""
        return self.kind if self.kind == "zeros" else f"{self.kind}:{self.low:g},{self.high:g}"


@dataclass(frozen=True)
class Recipe:
    """Everything that generated inputs depend on; "" in `rules` is for inputs not named."""

    samples: int
    batch_size: int
    seed: int
    rules: Mapping[str, Rule] = field(default_factory=dict)
    #: of an input, without the batch; with several, requests take turns
    shapes: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict)


def parse_rules(texts: Iterable[str]) -> dict[str, Rule]:
    """Reads [INPUT=]KIND[:LOW,HIGH]. Raises ComparisonError."""
    rules = {}
    for text in texts:
        found = _RULE.fullmatch(text)
        if found is None or found["kind"] not in KINDS:
            raise ComparisonError(
                f"--generate '{text}' is not [INPUT=]KIND[:LOW,HIGH], "
                f"KIND one of {', '.join(KINDS)}"
            )
        low, high = KINDS[found["kind"]]
        if found["low"]:
            try:
                low, high = float(found["low"]), float(found["high"])
            except ValueError:
                raise ComparisonError(f"--generate '{text}': LOW and HIGH are numbers") from None
        sensible = math.isfinite(low) and math.isfinite(high)
        if found["kind"] in ("uniform", "ints"):
            sensible = sensible and low < high
        if not sensible or (found["kind"] == "normal" and high < 0):
            raise ComparisonError(f"--generate '{text}': there are no such values")
        rules[found["input"] or ""] = Rule(found["kind"], low, high)
    return rules


def parse_shapes(texts: Iterable[str]) -> dict[str, list[tuple[int, ...]]]:
    """Reads INPUT:D1,D2,...; an input may come several times. Raises ComparisonError."""
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for text in texts:
        name, colon, dims = text.rpartition(":")
        if not (name and colon and re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", dims)):
            raise ComparisonError(f"--shape '{text}' is not INPUT:D1,D2,...")
        shapes.setdefault(name, []).append(tuple(int(dim) for dim in dims.split(",")))
    return shapes


def generate(
    specs: Sequence[TensorSpec], recipe: Recipe, *, batched: bool
) -> Iterator[dict[str, Tensor]]:
    """Requests of all inputs that are not optional, unless a rule or a shape names them.

    `batched`: the first dimension of every spec is the batch's. Raises ComparisonError.
    """
    known = {spec.name for spec in specs}
    for option, names in (("--generate", recipe.rules), ("--shape", recipe.shapes)):
        for name in names:
            if name and name not in known:
                raise ComparisonError(
                    f"{option} names input '{name}', the model has {', '.join(sorted(known))}"
                )
    named = {*recipe.rules, *recipe.shapes}
    used = [spec for spec in specs if not spec.optional or spec.name in named]
    random = np.random.default_rng(recipe.seed)
    for number in range(recipe.samples):
        yield {
            spec.name: Tensor(
                spec.name,
                spec.datatype,
                _values(
                    spec,
                    recipe.rules.get(spec.name, recipe.rules.get("")),
                    _shape(spec, recipe, number, batched=batched),
                    random,
                ),
            )
            for spec in used
        }


def rule_for(datatype: str) -> Rule:
    """What is generated without being told."""
    kind = "normal" if datatype in FLOATS else "ints"
    low, high = (0, 2) if datatype == "BOOL" else KINDS[kind]
    return Rule(kind, low, high)


def _shape(spec: TensorSpec, recipe: Recipe, number: int, *, batched: bool) -> tuple[int, ...]:
    shape = spec.shape
    if batched:
        rows = recipe.batch_size if shape[0] == -1 else shape[0]
        shape = (rows, *shape[1:])
    own = shape[1:] if batched else shape
    if choices := recipe.shapes.get(spec.name):
        wanted = choices[number % len(choices)]
        if len(wanted) != len(own) or any(
            dim not in (-1, asked) for dim, asked in zip(own, wanted, strict=True)
        ):
            batch = " behind the batch" if batched else ""
            raise ComparisonError(
                f"--shape {spec.name}:{','.join(map(str, wanted))} does not fit the model, which "
                f"has {list(own)}{batch}"
            )
        shape = (*shape[: len(shape) - len(own)], *wanted)
    elif -1 in own:
        example = ",".join(str(16 if dim == -1 else dim) for dim in own)
        raise ComparisonError(
            f"input '{spec.name}' has open dimensions {list(own)}: give them, "
            f"say --shape {spec.name}:{example}"
        )
    if math.prod(shape) > _MAX_ELEMENTS:
        raise ComparisonError(f"input '{spec.name}' of shape {list(shape)} is too large")
    return shape


def _values(
    spec: TensorSpec, rule: Rule | None, shape: tuple[int, ...], random: np.random.Generator
) -> Array:
    rule = rule or rule_for(spec.datatype)
    dtype = dtype_of(spec.datatype)
    if rule.kind in ("normal", "uniform") and spec.datatype not in FLOATS:
        raise ComparisonError(
            f"input '{spec.name}' is {spec.datatype}: use --generate "
            f"{spec.name}=ints:LOW,HIGH or {spec.name}=zeros"
        )
    if rule.kind == "normal":
        return random.normal(rule.low, rule.high, shape).astype(dtype)
    if rule.kind == "uniform":
        return random.uniform(rule.low, rule.high, shape).astype(dtype)
    if rule.kind == "zeros":
        integers = np.zeros(shape, np.int64)
    else:
        integers = _integers(spec, rule, shape, random)
    if spec.datatype == "BYTES":
        texts = np.empty(shape, object)
        texts.ravel()[:] = [str(number).encode() for number in integers.ravel()]
        return texts
    return integers.astype(dtype)


def _integers(
    spec: TensorSpec, rule: Rule, shape: tuple[int, ...], random: np.random.Generator
) -> Array:
    low, high = int(rule.low), int(rule.high)
    limits = (-(2**63), 2**63)
    if spec.datatype in INTEGERS:
        information = np.iinfo(dtype_of(spec.datatype))
        limits = (max(information.min, -(2**63)), min(information.max + 1, 2**63))
    elif spec.datatype == "BOOL":
        limits = (0, 2)
    if not limits[0] <= low < high <= limits[1]:
        raise ComparisonError(
            f"input '{spec.name}' is {spec.datatype}, which cannot take {rule.text}"
        )
    return random.integers(low, high, shape, np.int64)
