# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Optimisation profiles: the shapes that an engine was built for (contract 2.5, 5.4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.errors import InvalidArgError

Dims = tuple[int, ...]


@dataclass(frozen=True)
class Range:
    """The shapes of one input, with the batch dimension."""

    least: Dims
    best: Dims
    most: Dims

    def problem(self, shape: Dims) -> str:
        """What is wrong with a shape; empty when it fits."""
        if len(shape) != len(self.least):
            return f"model expected {len(self.least)} dimensions but received {len(shape)}"
        for index, dim in enumerate(shape):
            if not self.least[index] <= dim <= self.most[index]:
                return (
                    f"model expected the shape of dimension {index} to be between "
                    f"{self.least[index]} and {self.most[index]} but received {dim}"
                )
        return ""

    def distance(self, shape: Dims) -> int:
        """How far it is from the shape that the profile is best at."""
        return sum(abs(dim - best) for dim, best in zip(shape, self.best, strict=True))


@dataclass(frozen=True)
class Profile:
    """One of an engine's profiles."""

    index: int
    inputs: Mapping[str, Range]

    @property
    def max_batch_size(self) -> int:
        """The largest first dimension that all inputs can have."""
        return min((one.most[0] for one in self.inputs.values() if one.most), default=0)


def asked_profiles(profiles: Sequence[Profile], names: Sequence[str], title: str) -> list[Profile]:
    """Those of an instance group, the first of the engine when it names none.

    `names`: numbers as text. `title` says in errors who asks. Raises InvalidArgError.
    """
    asked = []
    for name in names or ("0",):
        if int(name) >= len(profiles):
            raise InvalidArgError(
                f"{title} asks for the optimization profile {name}, the engine has "
                f"{len(profiles)}, numbered from 0"
            )
        asked.append(profiles[int(name)])
    return asked


def choose(profiles: Iterable[Profile], shapes: Mapping[str, Dims], title: str) -> Profile:
    """The profile that is best at these shapes. Raises InvalidArgError when none takes them."""
    best: Profile | None = None
    least = 0
    complaint = ""
    for profile in profiles:
        problems = {name: profile.inputs[name].problem(shape) for name, shape in shapes.items()}
        name = next((name for name, problem in problems.items() if problem), None)
        if name is not None:
            complaint = complaint or (
                f"request specifies invalid shape for input '{name}' for {title}. Error details: "
                f"{problems[name]}"
            )
            continue
        distance = sum(profile.inputs[name].distance(shape) for name, shape in shapes.items())
        if best is None or distance < least:
            best, least = profile, distance
    if best is None:
        raise InvalidArgError(complaint or f"{title} has no optimization profile")
    return best
