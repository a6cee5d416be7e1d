# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How the configuration's tensor names become arguments and results (contract 5.3).

Inputs are named as the arguments of `forward`, or `<name>__<index>`, or else are arguments in the
order of the configuration; a `forward` that takes one dictionary gets them all by name. Results
that are a dictionary are named by its keys; others are `<name>__<index>`, or else in the order of
the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch

from penstock.backends.interface import ModelContext
from penstock.errors import InternalError, InvalidArgError

_INDEXED: Final = re.compile(r".+__(\d{1,4})")


class Argument(NamedTuple):
    """One argument of `forward`."""

    name: str
    required: bool = True
    is_dict: bool = False
    is_strings: bool = False


class Arguments:
    """Lays inputs out as the arguments of one `forward`."""

    def __init__(self, context: ModelContext, arguments: Sequence[Argument]) -> None:
        """Raises InvalidArgError where configured inputs and arguments do not fit together."""
        self._arguments = arguments
        dicts = [argument for argument in arguments if argument.is_dict]
        if len(dicts) > 1:
            raise _failure(
                context,
                "Multiple inputs of kind DictType were detected. Only a single input of type "
                "Dict(str, Tensor) is supported.",
            )
        self._takes_dict = bool(dicts)
        if dicts and len([each for each in arguments if each.required or each.is_dict]) > 1:
            raise _failure(context, f"forward takes more than the dictionary '{dicts[0].name}'")
        self._names = [tensor.name for tensor in context.config.input]
        self._places = {} if dicts else self._place(context)
        self._ordered = sorted(self._places, key=self._places.__getitem__)
        #: every argument, or the first ones, so that a call with all inputs needs no names
        self._leading = [self._places[name] for name in self._ordered] == [
            *range(len(self._places))
        ]

    def argument_of(self, name: str) -> Argument:
        """The argument that a configured input becomes, or becomes a part of."""
        return self._arguments[0 if self._takes_dict else self._places[name]]

    def lay_out(self, inputs: dict[str, Any]) -> tuple[Iterable[Any], dict[str, Any]]:
        """Positional and keyword arguments of one call; optional ones may be absent."""
        if self._takes_dict:
            return (inputs,), {}
        if self._leading and len(inputs) == len(self._ordered):
            return map(inputs.__getitem__, self._ordered), {}
        return (), {
            self._arguments[self._places[name]].name: value for name, value in inputs.items()
        }

    def _place(self, context: ModelContext) -> dict[str, int]:
        known = [argument.name for argument in self._arguments]
        places = positions(context, "input", self._names, known)
        for name, place in places.items():
            if place >= len(known):
                raise _failure(
                    context,
                    f"input '{name}' refers to argument {place}, forward takes {len(known)}: "
                    f"{', '.join(known)}",
                )
        taken = set(places.values())
        for place, argument in enumerate(self._arguments):
            if argument.required and place not in taken:
                raise _failure(
                    context,
                    f"argument '{argument.name}' of forward is no input of the configuration, "
                    f"which has: {', '.join(self._names)}",
                )
        return places


class Results:
    """Names what one `forward` returns."""

    def __init__(self, context: ModelContext) -> None:
        """Raises InvalidArgError for names of mixed conventions."""
        self._context = context
        names = [tensor.name for tensor in context.config.output]
        self._places = positions(context, "output", names, ())
        self._counted = all(_INDEXED.fullmatch(name) for name in names)
        #: the name of the one tensor that is most models' result
        self._only = names[0] if [*self._places.values()] == [0] else None

    def named(self, result: Any) -> Mapping[str, Any]:
        """Tensors, or lists of strings, by configured name. Raises InternalError."""
        if self._only is not None and isinstance(result, torch.Tensor):
            return {self._only: result}
        values: Sequence[Any]
        if isinstance(result, tuple):
            values = result
        elif isinstance(result, Mapping):
            if not self._counted or all(name in result for name in self._places):
                return result  # what it lacks is said by who looks for it
            values = tuple(result.values())
        else:
            values = result if _is_many(result) else (result,)
        return {
            name: values[place] if place < len(values) else self._missing(name, len(values))
            for name, place in self._places.items()
        }

    def _missing(self, name: str, count: int) -> Any:
        raise InternalError(
            f"The output {name} in the model configuration refers to an output index which "
            f"doesn't exist. Model '{self._context.name}' has {count} outputs"
        )


def positions(
    context: ModelContext, kind: str, names: Sequence[str], known: Sequence[str]
) -> dict[str, int]:
    """The place of each name among the model's tensors. `known`: names of the model's own.

    Raises InvalidArgError for a mixture of conventions and for two names of one place.
    """
    own = {name: place for place, name in enumerate(known)}
    if names and all(name in own for name in names):
        places = {name: own[name] for name in names}
    elif any(_INDEXED.fullmatch(name) for name in names):
        places = {name: _index(context, kind, name) for name in names}
    elif any(name in own for name in names):
        strangers = [name for name in names if name not in own]
        raise _failure(
            context,
            f"{kind} '{strangers[0]}' is no argument of forward, which takes: {', '.join(known)}",
        )
    else:
        places = {name: place for place, name in enumerate(names)}
    if len(set(places.values())) < len(places):
        raise _failure(context, f"two {kind}s of the configuration have the same index")
    return places


def _index(context: ModelContext, kind: str, name: str) -> int:
    found = _INDEXED.fullmatch(name)
    if found is None:
        raise _failure(
            context, f"{kind} '{name}' does not follow <name>__<index> naming convention."
        )
    return int(found[1])


def _is_many(result: Any) -> bool:
    """A list, but for one of strings, which is one tensor."""
    return isinstance(result, list) and not all(isinstance(each, str) for each in result)


def _failure(context: ModelContext, message: str) -> InvalidArgError:
    return InvalidArgError(
        f"failed to load model '{context.name}': version {context.version}: {message}"
    )
